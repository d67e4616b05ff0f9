//! Wrong configurations, and what is said about them. Each snapshot is what a person sees: it
//! must be enough to mend the file.
use crate::load;

fn check(name: &str, text: &str) {
    let Err(errors) = load(text) else {
        panic!("this loads:\n{text}");
    };
    assert!(errors.iter().all(|d| d.line > 0), "a place for everything");
    insta::assert_snapshot!(name, errors.render(false));
}

macro_rules! wrong {
    ($($name:ident: $text:expr;)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name), $text);
        }
    )*};
}

const PSK: &str = "correct horse battery staple";

wrong! {
    // Text and lines.
    a_quote_is_not_closed: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 srcid \"a.example psk 0x00112233445566778899aabbccddeeff0011223344\n";
    blanks_follow_the_backslash: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 \\  \n\tpeer 192.0.2.2 psk \"correct horse battery staple\"\n";
    a_comment_follows_the_backslash: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 \\ # the LAN\n\tpeer 192.0.2.2 psk \"correct horse battery staple\"\n";
    a_backslash_is_in_the_middle: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 srcid DOMAIN\\host psk \"correct horse battery staple\"\n";
    a_backslash_is_lost: "ikev2 \"office\" esp\n\tfrom 10.1.0.0/24 to 10.2.0.0/24 \\\n\tpeer 192.0.2.2 psk \"correct horse battery staple\"\n";
    two_backslashes_are_lost: "ikev2 \"office\" esp \\\n\tfrom 10.1.0.0/24 to 10.2.0.0/24\n\tpeer 192.0.2.2\n\tpsk \"correct horse battery staple\"\n";
    a_backslash_too_much_joins_policies: "ikev2 \"a\" esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\" \\\nikev2 \"b\" esp from 10.1.0.0/24 to 10.3.0.0/24 psk \"correct horse battery staple\"\n";
    a_backslash_too_much_swallows_a_setting: "ikev2 \"a\" esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\" \\\nset passive\n";
    an_option_stands_before_any_policy: "from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    letters_are_not_ascii: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 srcid büro.example psk \"correct horse battery staple\"\n";
    typographic_quotes: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk “correct horse battery staple”\n";
    a_quote_touches_a_word: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 srcid \"a.example psk \"correct horse battery staple\"\n";
    psk_is_called_password: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 password correcthorsebattery\n";
    an_unknown_statement_with_a_secret: "usr alice opensesame\n";
    a_list_with_a_keyword: "ikev2 esp proto { tcp port } from { 10.1.0.0/24 enc } to { 10.2.0.0/24 ( } psk \"correct horse battery staple\"\n";
    angle_brackets_mean_nothing: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer <address> psk \"correct horse battery staple\"\n";

    // Statements.
    an_unknown_statement: "ikev1 esp from 10.1.0.0/24 to 10.2.0.0/24\n";
    a_statement_of_ipsec_conf: "flow esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2\n";
    a_string_starts_a_line: "\"office\" esp from 10.1.0.0/24 to 10.2.0.0/24\n";
    an_unknown_setting: "set pasive\n";
    a_setting_far_from_any: "set colour blue\n";
    a_setting_without_its_number: "set dpd_check_interval\n";
    a_setting_with_a_word_for_a_number: "set dpd_check_interval often\n";
    a_negative_number: "set cookie_threshold -1\n";
    an_unknown_data_plane: "set dataplane kernel\n";
    two_settings_on_one_line: "set passive decouple\n";
    settings_of_later: "set mobike\nset fragmentation\nset ocsp \"http://ocsp.example/\" tolerate 5m\nset cert_partial_chain\nset allow-legacy \"old peer\"\n";
    a_user_without_a_password: "user \"alice\"\n";
    a_user_with_a_password_in_two_words: "user alice open sesame please\n";
    a_user_exists_twice: "user \"alice\" \"one\"\nuser \"alice\" \"two\"\n";
    radius_is_for_later: "radius server 192.0.2.9 secret \"hush hush hush\"\n";

    // Macros and includes.
    an_undefined_macro: "remote_gw = \"192.0.2.2\"\nikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer $remote_wg psk \"correct horse battery staple\"\n";
    a_macro_far_from_any: "ikev2 esp from $lan to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_macro_without_a_value: "gw =\nikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer $gw psk \"correct horse battery staple\"\n";
    a_macro_is_called_like_a_keyword: "peer = \"192.0.2.2\"\n";
    a_macro_has_a_name_that_is_none: "2nd-gw = \"192.0.2.2\"\n";
    a_macro_of_punctuation: "lans = { 10.1.0.0/24, 10.2.0.0/24 }\n";
    a_macro_holds_a_wrong_value: "lan = \"10.1.0.0/99\"\nikev2 esp from $lan to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_dollar_without_a_name: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer $ psk \"correct horse battery staple\"\n";
    an_included_file_is_missing: "include \"gone.conf\"\n";
    a_file_includes_itself: "include \"iked.conf\"\n";
    an_include_without_a_path: "include\n";

    // Policies.
    an_option_is_misspelt: "ikev2 \"office\" esp from 10.1.0.0/24 to 10.2.0.0/24 per 192.0.2.2 psk \"correct horse battery staple\"\n";
    the_first_option_is_misspelt: "ikev2 form 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    psk_is_misspelt: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 pks correcthorsebattery\n";
    psk_is_left_out: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 \"correct horse battery staple\"\n";
    a_key_in_several_words: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk correct horse battery staple\n";
    a_key_of_a_macro_in_several_words: "key = \"correct horse battery\"\nikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 psk $key\n";
    a_key_with_an_odd_digit: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk 0x00112233445566778899aabbccddeeff001122334\n";
    a_key_with_no_hexadecimal_digit: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk 0x00112233445566778899aabbccddeegg00112233\n";
    an_empty_key: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"\"\n";
    a_key_file_is_missing: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk file \"office.psk\"\n";
    no_key_at_all: "ikev2 \"office\" esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2\n";
    a_key_is_given_twice: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\" psk \"wrong horse battery staple\"\n";
    a_policy_for_nothing: "ikev2 \"office\" active esp peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    from_without_to: "ikev2 esp from 10.1.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    to_is_misspelt: "ikev2 esp from 10.1.0.0/24 too 10.2.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    from_without_a_host: "ikev2 esp from to 10.2.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    a_value_is_missing_at_the_end: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\" peer\n";
    a_keyword_stands_for_a_value: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 srcid default psk \"correct horse battery staple\"\n";
    peer_is_given_twice: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2 peer 192.0.2.3 psk \"correct horse battery staple\"\n";
    quick_and_skip_together: "ikev2 quick skip esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    two_policies_have_one_name: "ikev2 \"office\" esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\nikev2 \"office\" esp from 10.1.0.0/24 to 10.3.0.0/24 psk \"correct horse battery staple\"\n";
    an_empty_name: "ikev2 \"\" esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    active_without_a_peer: "ikev2 active esp from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    active_with_any_peer: "ikev2 active esp from 10.1.0.0/24 to 10.2.0.0/24 peer any psk \"correct horse battery staple\"\n";
    active_with_a_network_as_peer: "ikev2 active esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.0/24 psk \"correct horse battery staple\"\n";
    several_mistakes_in_one_policy: "ikev2 \"office\" activ esp from 10.1.0.0/33 to 10.2.0.0/24 \\\n\tpeer 192.0.2.300 \\\n\tikesa enc aes-512 group modp2O48 \\\n\tlifetime 3d \\\n\tpsk \"correct horse battery staple\"\nset pasive\n";
    a_word_that_is_nothing: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 banana psk \"correct horse battery staple\"\n";
    a_comma_between_options: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24, peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    an_equals_sign_in_a_policy: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer = 192.0.2.2 psk \"correct horse battery staple\"\n";

    // Addresses, ports, protocols.
    a_prefix_too_long: "ikev2 esp from 10.1.0.0/33 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_netmask: "ikev2 esp from 10.1.0.0/255.255.255.0 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    an_address_of_three_numbers: "ikev2 esp from 10.1.0/24 to 10.2.0 psk \"correct horse battery staple\"\n";
    a_port_after_a_colon: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer 192.0.2.2:500 psk \"correct horse battery staple\"\n";
    an_address_with_a_zone: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer fe80::1%eth0 psk \"correct horse battery staple\"\n";
    a_range_of_addresses: "ikev2 esp from 10.1.0.1-10.1.0.9 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_name_without_an_address: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer gone.example psk \"correct horse battery staple\"\n";
    families_are_mixed_in_a_flow: "ikev2 esp from 10.1.0.0/24 to 2001:db8:2::/64 psk \"correct horse battery staple\"\n";
    families_are_mixed_between_the_ends: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 local 192.0.2.1 peer 2001:db8::2 psk \"correct horse battery staple\"\n";
    a_flow_of_the_other_family: "ikev2 esp inet6 from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_name_without_the_family: "ikev2 esp inet6 from four.example to 2001:db8::/32 psk \"correct horse battery staple\"\n";
    a_port_without_a_protocol: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 port 22 psk \"correct horse battery staple\"\n";
    a_port_with_icmp: "ikev2 esp proto { tcp, icmp } from 10.1.0.0/24 to 10.2.0.0/24 port 22 psk \"correct horse battery staple\"\n";
    a_port_out_of_range: "ikev2 esp proto tcp from 10.1.0.0/24 to 10.2.0.0/24 port 70000 psk \"correct horse battery staple\"\n";
    an_unknown_port: "ikev2 esp proto tcp from 10.1.0.0/24 to 10.2.0.0/24 port shh psk \"correct horse battery staple\"\n";
    a_list_of_ports: "ikev2 esp proto tcp from 10.1.0.0/24 to 10.2.0.0/24 port { 22, 80 } psk \"correct horse battery staple\"\n";
    an_unknown_protocol: "ikev2 esp proto tpc from 10.1.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_list_that_is_not_closed: "ikev2 esp from { 10.1.0.0/24, 10.3.0.0/24 to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    an_empty_list: "ikev2 esp from { } to 10.2.0.0/24 psk \"correct horse battery staple\"\n";
    a_list_of_peers: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 peer { 192.0.2.2, 192.0.2.3 } psk \"correct horse battery staple\"\n";

    // Algorithms and lifetimes.
    an_unknown_cipher: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa enc aes-256-gmc childsa enc aes psk \"correct horse battery staple\"\n";
    algorithms_of_old: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 \\\n\tikesa enc 3des auth hmac-sha1 prf hmac-md5 group modp1024 \\\n\tchildsa enc blowfish auth hmac-md5 group ec155 \\\n\tpsk \"correct horse battery staple\"\n";
    algorithms_of_later: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 \\\n\tikesa enc aes-128-ccm group curve25519 ke1 mlkem768 \\\n\tchildsa enc aes-128-gmac group brainpool256 \\\n\tpsk \"correct horse battery staple\"\n";
    both_kinds_of_cipher: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa enc aes-256-gcm enc aes-256 psk \"correct horse battery staple\"\n";
    a_mac_with_an_aead: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa enc aes-256-gcm auth hmac-sha2-256 psk \"correct horse battery staple\"\n";
    a_prf_for_esp: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 childsa prf hmac-sha2-256 psk \"correct horse battery staple\"\n";
    esn_for_ike: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa esn psk \"correct horse battery staple\"\n";
    no_group_for_ike: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa group none psk \"correct horse battery staple\"\n";
    ikesa_without_algorithms: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa psk \"correct horse battery staple\"\n";
    enc_is_misspelt: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 ikesa encr aes-256-gcm psk \"correct horse battery staple\"\n";
    enc_without_ikesa: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 enc aes-256-gcm psk \"correct horse battery staple\"\n";
    a_lifetime_in_days: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 lifetime 1d psk \"correct horse battery staple\"\n";
    a_lifetime_too_large: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 lifetime 1h bytes 99999999999999G psk \"correct horse battery staple\"\n";
    bytes_without_a_lifetime: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 bytes 4G psk \"correct horse battery staple\"\n";

    // Known, and for later.
    identities_of_later: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 srcid \"/C=DE/CN=a.example\" psk \"correct horse battery staple\"\n";
    an_empty_identity: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 dstid \"\" psk \"correct horse battery staple\"\n";
    options_of_later: "ikev2 \"later\" passive ipcomp transport natt ah rdomain 1 from 10.1.0.0/24 to 10.2.0.0/24 \\\n\tconfig address 10.2.0.0/24 request name-server any iface eth0 tag \"vpn-$id\" tap enc1 \\\n\tchildless allow ppk \"id\" 0x0011 required rsa\n";
    eap_is_for_later: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 eap \"mschap-v2\"\n";
    srcnat_is_for_later: "ikev2 esp from 10.10.10.1 (192.168.1.0/24) to 192.168.2.0/24 peer 10.10.20.1 psk \"correct horse battery staple\"\n";
    dynamic_is_for_later: "ikev2 esp from dynamic to 10.2.0.0/24 peer 192.0.2.2 psk \"correct horse battery staple\"\n";
    srcnat_on_the_wrong_side: "ikev2 esp from 192.168.2.0/24 to 10.10.10.1 (192.168.1.0/24) psk \"correct horse battery staple\"\n";
    an_unknown_attribute: "ikev2 esp from 10.1.0.0/24 to 10.2.0.0/24 config dns 10.1.0.2 psk \"correct horse battery staple\"\n";
}

#[test]
fn no_snapshot_shows_the_key() {
    // All of the above, in one go: what the table's texts hide must stay hidden.
    let table = include_str!("wrong.rs");
    let texts = table
        .lines()
        .filter_map(|line| line.split_once(": \"")?.1.strip_suffix("\";"));
    let mut count = 0;
    for text in texts {
        let text = text
            .replace("\\n", "\n")
            .replace("\\t", "\t")
            .replace("\\\"", "\"");
        let text = text.replace("\\\\", "\\");
        if let Err(errors) = load(&text) {
            let shown = errors.render(false);
            for secret in [
                PSK,
                "horse",
                "staple",
                "opensesame",
                "sesame",
                "hush",
                "00112233",
            ] {
                assert!(!shown.contains(secret), "{shown}");
            }
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
}
