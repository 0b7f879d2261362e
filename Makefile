# heapfx: `make` builds build/heapfx; `make demo`, `make test` set themselves up. One file, non-recursive.
CC ?= gcc
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
B ?= build
WERROR ?= -Werror
OPT ?= -O2 -g
SAN ?=
PKGS := libelf libdw capstone libarchive yajl
CFLAGS_ALL = -std=gnu17 $(OPT) -Wall -Wextra $(WERROR) -Wno-missing-field-initializers -Wvla -Wshadow -Wstrict-prototypes \
	-march=x86-64-v2 -pthread -D_GNU_SOURCE -Ilib $(SAN) $(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CFLAGS)
LDLIBS_ALL = $(SAN) -pthread $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm $(LDLIBS)
ifneq ($(shell uname -m),x86_64)
CFLAGS_ALL := $(filter-out -march=%,$(CFLAGS_ALL))
endif

LIB_SRC := $(wildcard lib/*/*.c)
CMD_SRC := $(wildcard cmd/heapfx/*.c)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/%.o)
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

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: clean
clean:
	rm -rf build
