# heapfx: `make` builds build/heapfx; `make demo`, `make test` set themselves up. One file, non-recursive.
CC ?= gcc
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
B ?= build
WERROR ?= -Werror
OPT ?= -O2 -g
SAN ?=
PKGS := libelf libdw capstone libarchive yajl libprotobuf-c zlib sqlite3 libedit libzstd libxxhash nettle
CFLAGS_ALL = -std=gnu17 $(OPT) -Wall -Wextra $(WERROR) -Wno-missing-field-initializers -Wvla -Wshadow -Wstrict-prototypes \
	-march=x86-64-v2 -pthread -D_GNU_SOURCE -Ilib -I$(B)/gen $(SAN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LDLIBS_ALL = $(SAN) -pthread $(shell pkg-config --libs $(PKGS) 2>/dev/null) -liberty -lm -ldl $(LDLIBS)
ifneq ($(shell uname -m),x86_64)
CFLAGS_ALL := $(filter-out -march=%,$(CFLAGS_ALL))
endif

LIB_SRC := $(wildcard lib/*/*.c)
CMD_SRC := $(wildcard cmd/heapfx/*.c)
GEN_OBJ := $(B)/gen/report/profile.pb-c.o
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o) $(GEN_OBJ) $(B)/lib/report/html_assets.o
CMD_OBJ := $(CMD_SRC:%.c=$(B)/%.o)

.PHONY: all
all: $(B)/heapfx

$(B)/heapfx: $(CMD_OBJ) $(B)/libheapfx.a
	$(CC) -o $@ $^ $(LDLIBS_ALL)

$(B)/libheapfx.a: $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The code of profile.proto, and what includes it.
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: lib/%.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(B)/gen --proto_path=lib $<

$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(B)/lib/report/pprof.o: $(B)/gen/report/profile.pb-c.h

# What the HTML report's script takes from npm, held to the lock file's hashes.  Without npm or its
# registry the script has Debian's d3 and draws flame graphs itself: docs/design/page.md.
PAGE := lib/report/html
NPM ?= build/npm
NPM_RETRIES := --fetch-retries=3 --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=20000
$(NPM)/flames: $(PAGE)/package.json $(PAGE)/package-lock.json
	@mkdir -p $(@D)
	@cp $^ $(@D)
	@if timeout 300 npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund $(NPM_RETRIES) >$(@D)/log 2>&1; \
	then echo d3 >$@; \
	else echo "npm gave no d3-flame-graph ($(@D)/log): the HTML report is built without it" >&2; echo boxes >$@; fi

# The script in one file, and the licences of what is in it.
$(B)/gen/report/page.js: $(NPM)/flames $(wildcard $(PAGE)/*.js)
	@mkdir -p $(@D)
	NODE_PATH=$(NPM)/node_modules:/usr/share/nodejs esbuild $(PAGE)/page.js --bundle --minify --target=es2020 \
		--alias:flames=./$(PAGE)/flames-$$(cat $<).js --loader:.css=empty --log-level=warning --outfile=$@

$(B)/gen/report/licences: $(NPM)/flames $(PAGE)/LICENCE.d3
	@mkdir -p $(@D)
	@if [ "$$(cat $<)" = d3 ]; then tail -n +1 $(NPM)/node_modules/*/LICENSE; else cat $(PAGE)/LICENCE.d3; fi | \
		sed 's,^==> .*node_modules/\(.*\)/LICENSE <==,\1:,' >$@

$(B)/lib/report/html_assets.o: lib/report/html_assets.S $(PAGE)/page.css $(B)/gen/report/licences $(B)/gen/report/page.js
	@mkdir -p $(@D)
	$(CC) -c -o $@ $< -Wa,-I. -Wa,-I$(B)/gen

-include $(shell find $(B) -path $(B)/corpus -prune -o -name '*.d' -type f -print 2>/dev/null)

# ---- installing: the man page and the completion come from the program's own option table ------

.PHONY: install
install: $(B)/heapfx
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 755 $(B)/heapfx $(DESTDIR)$(PREFIX)/bin/heapfx
	$(B)/heapfx --print-man >$(B)/heapfx.1
	$(B)/heapfx --print-completion bash >$(B)/heapfx.bash
	install -m 644 $(B)/heapfx.1 $(DESTDIR)$(PREFIX)/share/man/man1/heapfx.1
	install -m 644 $(B)/heapfx.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/heapfx

.PHONY: deps
deps:
	tools/deps.sh test bench

# ---- the demo: a leaking service, captured while it runs, explained ---------------------------

JOBS ?= $(shell nproc)
AGAIN = $(MAKE) --no-print-directory

.PHONY: demo
demo:
	@tools/deps.sh demo
	@echo "building heapfx and a service that leaks"
	@$(AGAIN) -s -j$(JOBS) all $(B)/demo
	@tools/demo.sh $(B)/heapfx $(B)/demo

$(B)/demo: corpus/native/src/demo.c corpus/native/src/truth.c corpus/native/src/truth.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O1 -g -Wall -Wextra $(WERROR) -pthread -o $@ $(filter %.c,$^)

# ---- tests --------------------------------------------------------------------------------------

UNIT_SRC := $(sort $(wildcard tests/unit/*/*_test.c))
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
# Programs that answer to a twin in Python: tests/e2e/test_twins.py.
TWINS := $(patsubst %.c,$(B)/%,$(wildcard tests/twins/*.c))
UNIT_LIB := $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
ASAN = -fsanitize=address,undefined -fno-sanitize-recover=all

# Everything, on a clean tree: as it ships, then under ASan and UBSan.
.PHONY: test
test:
	@tools/deps.sh test
	$(AGAIN) clean
	$(AGAIN) -s -j$(JOBS) all unit-programs
	$(AGAIN) layers
	$(AGAIN) unit
	$(AGAIN) e2e
	$(AGAIN) asan

.PHONY: unit-programs unit e2e playwright
unit-programs: $(UNIT_BIN) $(TWINS)

$(B)/tests/unit/%_test: tests/unit/%_test.c $(UNIT_LIB) $(B)/libheapfx.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/lib -MMD -MP -MF $@.d -o $@ $(filter %.c %.o,$^) $(B)/libheapfx.a $(LDLIBS_ALL) -lcmocka

$(B)/tests/twins/%: tests/twins/%.c $(B)/tests/lib/certify.o $(B)/libheapfx.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/lib -o $@ $^ $(LDLIBS_ALL)

$(B)/tests/bench/synthetic: tests/bench/synthetic.c $(B)/tests/lib/certify.o $(B)/libheapfx.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -Itests/lib -o $@ $^ $(LDLIBS_ALL)

unit: $(UNIT_BIN)
	@status=0; for t in $(UNIT_BIN); do echo "== $$t"; $$t || status=1; done; exit $$status

# Playwright, which drives Debian's Chromium, and SeaweedFS, a store that signatures are checked by.
PLAYWRIGHT := build/python/.asked
playwright: $(PLAYWRIGHT)
$(PLAYWRIGHT): tests/requirements.txt
	@rm -rf $(@D) && mkdir -p $(@D)
	@timeout 300 $(PYTHON) -m pip install --retries 10 --timeout 30 --target $(@D) --no-compile --require-hashes -r $< >$@ 2>&1 || \
		echo "pip gave nothing ($@): tests in a browser and with SeaweedFS will be skipped" >&2

e2e: $(B)/heapfx $(TWINS) $(PLAYWRIGHT)
	HEAPFX=$(abspath $(B))/heapfx $(PYTHON) -m pytest -q -rs -p no:cacheprovider -n $(JOBS) --dist loadgroup tests/e2e $(PYTEST)

.PHONY: asan tsan
asan:
	$(AGAIN) -s -j$(JOBS) B=build/asan SAN="$(ASAN)" OPT="-O1 -g" all unit-programs
	$(AGAIN) B=build/asan SAN="$(ASAN)" OPT="-O1 -g" unit
	$(AGAIN) B=build/asan SAN="$(ASAN)" OPT="-O1 -g" e2e

# Parallel code alone; without address randomisation, which gcc 12's TSan does not bear.
tsan:
	$(AGAIN) -s -j$(JOBS) B=build/tsan SAN=-fsanitize=thread OPT="-O1 -g" all unit-programs
	for t in build/tsan/tests/unit/base/*_test build/tsan/tests/unit/fact/facts_test; do setarch -R $$t || exit 1; done
	setarch -R $(AGAIN) B=build/tsan SAN=-fsanitize=thread OPT="-O1 -g" PYTEST="-k threads_change" e2e

# What includes what, held to the table of docs/architecture.md, and lines to their width; and how
# long files and functions are.
.PHONY: layers shape
layers:
	$(PYTHON) tests/shape/layers
	$(PYTHON) tests/shape/width

shape:
	$(PYTHON) tests/shape/shape

# ---- fuzzing: one libFuzzer target a reader; clang builds the library a second time ---------------

FUZZ_SRC := $(sort $(wildcard tests/fuzz/*_fuzz.c))
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)
FUZZ_MAKE = $(AGAIN) B=build/fuzz CC=clang WERROR= OPT="-O1 -g" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"

# Walkers compare all words of a core, and look up where each lies: traced, that takes half of a run.
ifneq (,$(findstring fuzzer-no-link,$(CFLAGS)))
$(B)/lib/heap/%.o $(B)/lib/image/image.o $(B)/lib/image/python.o: CFLAGS_ALL += -fno-sanitize-coverage=trace-cmp
endif

.PHONY: fuzz fuzz-smoke fuzz-programs
fuzz-programs: $(FUZZ_BIN)

$(B)/tests/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(wildcard tests/fuzz/*.h) $(B)/libheapfx.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -fsanitize=fuzzer -o $@ $< $(B)/libheapfx.a $(LDLIBS_ALL)

# A minute a target, and every prefix of its small corpus; `fuzz` goes on until it is stopped.
fuzz-smoke fuzz:
	@tools/deps.sh test
	$(FUZZ_MAKE) -s CFLAGS=-fsanitize=fuzzer-no-link -j$(JOBS) fuzz-programs
	$(PYTHON) tests/fuzz/run $(if $(filter fuzz,$@),--forever) build/fuzz/tests/fuzz

# Kubernetes manifests against the API's own types, which are fetched as Go modules.
.PHONY: manifests
manifests:
	cd tests/deploy && go run . ../../deploy/kubernetes/*.yaml

# Two more object stores for the tests of shipping, as Go modules, into a cache that outlives builds:
# some five minutes of a processor, once.  Without them those tests are skipped, and say so.
S3_SERVERS = $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/heapfx
# Not for CI: versitygw alone takes 135 seconds of a processor and 0.8 GB, minio several times that.
.PHONY: s3-servers
s3-servers: $(S3_SERVERS)/versitygw $(S3_SERVERS)/minio
$(S3_SERVERS)/versitygw:
	GOBIN=$(S3_SERVERS) go install github.com/versity/versitygw/cmd/versitygw@v1.8.0
$(S3_SERVERS)/minio:
	GOBIN=$(S3_SERVERS) go install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

# ---- figures -------------------------------------------------------------------------------------

.PHONY: bench
bench:
	@tools/deps.sh bench
	$(AGAIN) -s -j$(JOBS) all $(addprefix $(B)/tests/bench/,floor touch synthetic) $(B)/tests/live/pulse
	$(PYTHON) tests/bench/run $(B)/heapfx $(B)/tests/bench $(BENCH)
	$(PYTHON) tests/bench/capture $(B)/heapfx $(B)/tests/live/pulse

# Instructions on small cores: they repeat where times do not. `make callgrind COUNT=--write` keeps those of now.
CORPUS ?= $(or $(HEAPFX_CORPUS),build/corpus)

.PHONY: callgrind
callgrind: $(B)/heapfx
	$(PYTHON) tests/bench/instructions $(B)/heapfx $(CORPUS) $(COUNT)

$(B)/tests/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $<

$(B)/tests/live/%: tests/live/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $<

.PHONY: clean
clean:
	rm -rf build
