# What a person types; the work is done by cargo and by the testlab program.
# `make run` shows two gateways with a tunnel, `make test` runs everything.

PROFILE ?= dev
TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
BIN := $(TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
JOBS ?= 3

RUN_PACKAGES := iproute2 iputils-ping util-linux mount
TEST_PACKAGES := $(RUN_PACKAGES) strongswan-charon strongswan-swanctl libcharon-extra-plugins \
	libcharon-extauth-plugins libstrongswan-standard-plugins libstrongswan-extra-plugins iperf3 \
	tshark tcpdump nftables iptables procps user-mode-linux kmod gcc libc6-dev make

.PHONY: help run test check lab interop bench fuzz-replay man deb build clean-lab run-packages test-packages

help:
	@echo 'make run           two gateways, a tunnel, packets through it (KEEP=1 leaves it up)'
	@echo 'make test          all tests, also against strongSwan and on a kernel with IPsec'
	@echo 'make check         format, lints and the tests that need no privilege'
	@echo 'make bench         figures, beside those of strongSwan in the same run'
	@echo 'make fuzz-replay   the inputs of the fuzz targets once more'
	@echo 'make lab           the scenarios in network namespaces (NAME=... for some of them)'

run: run-packages
	@echo 'building (the first time takes some minutes)'
	cargo build --quiet --profile $(PROFILE) -p iked -p ikectl -p testlab
	$(BIN)/testlab demo $(if $(KEEP),--keep)

test: test-packages check lab
	$(BIN)/testlab uml --all

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

lab: build
	$(BIN)/testlab run --jobs $(JOBS) $(if $(NAME),$(NAME),--all)

build:
	cargo build --profile $(PROFILE) -p iked -p ikectl -p testlab

clean-lab: build
	$(BIN)/testlab clean

# Figures of the codec, the algorithms and the tunnel, the last beside strongSwan's in the same run.
bench: test-packages
	cargo bench --quiet -p ike-wire -p ike-crypto
	cargo build --release -p iked -p ikectl -p testlab
	$(TARGET_DIR)/release/testlab bench

# The inputs that the fuzz targets have collected, through the same functions, on stable Rust.
fuzz-replay:
	cargo test -p ike-wire -p ikectl -- corpus

interop man deb:
	@echo 'make $@ is not there yet; it belongs to a later step of the project' >&2
	@exit 2

run-packages:
	@./.ci/packages $(RUN_PACKAGES)

test-packages:
	@./.ci/packages $(TEST_PACKAGES)
