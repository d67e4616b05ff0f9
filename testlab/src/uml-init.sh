#!/bin/sh
# Init of the User-Mode Linux lab: what a scenario needs, then testlab, then the end.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /run/lock /run/netns /dev/net /dev/shm
# Sockets: not in /run, which charon replaces by its own, and not on the hostfs.
mount -t tmpfs shm /dev/shm
export TMPDIR=/dev/shm TESTLAB_DIR='@LAB@'
# The modules get a place of their own: not every machine has a /lib/modules.
mkdir -p /run/kernel/lib/modules
mount -t hostfs none /run/kernel/lib/modules -o /usr/lib/uml/modules
printf '#!/bin/sh\nexec modprobe -d /run/kernel "$@"\n' >/run/modprobe
chmod 755 /run/modprobe
echo /run/modprobe >/proc/sys/kernel/modprobe
for module in veth tun af_packet xfrm_user xfrm_algo af_key esp4 esp6 ah4 ah6 tunnel4 tunnel6 \
    xfrm4_tunnel gcm ccm authenc echainiv seqiv cbc ctr ghash_generic hmac sha1_generic \
    sha256_generic sha512_generic aes_generic chacha20poly1305 ipv6
do
    /run/modprobe -q "$module" || true
done
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
ip link set lo up
'@TESTLAB@' uml-init '@RESULT@' @NAMES@ >'@PROGRESS@' 2>&1
sync
poweroff -f || reboot -f -p || echo o >/proc/sysrq-trigger
sleep 10
