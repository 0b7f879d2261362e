#!/bin/sh
# deps.sh [build|demo|test|bench]... - install the Debian packages that heapfx needs, and no others.
#
# This is the one list of them.  Each group includes the ones before it.  As root on Debian the
# missing ones are installed with apt-get; anywhere else their exact names are printed and the
# status is 1.  When nothing is missing this is one dpkg-query and says nothing.
set -eu

build="gcc make pkg-config libc6-dev libelf-dev libdw-dev libcapstone-dev libarchive-dev libyajl-dev libiberty-dev
	libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libsqlite3-dev libedit-dev libzstd-dev libxxhash-dev
	nettle-dev libcurl4-openssl-dev
	esbuild node-d3-hierarchy node-d3-selection"
# npm fetches d3-flame-graph for the HTML report; one that did not come from Debian will do.
command -v npm >/dev/null || build="$build npm"
demo="gdb"
# The corpus is made of C and C++ programs, static ones, and one for aarch64 run by qemu.
test="g++ binutils elfutils libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-jsonschema python3-junitparser python3-markdown-it
	python3-prometheus-client python3-networkx python3-pip chromium valgrind
	zstd xz-utils gzip bzip2 lz4 zip dwz strace clang llvm libclang-rt-14-dev libc++-dev libc++abi-dev
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static redis-server redis-tools memcached
	libtcmalloc-minimal4 libmimalloc2.0
	postgresql libtalloc-dev musl-tools php-cli
	nginx libapr1-dev libprotobuf-dev libluajit-5.1-dev libglib2.0-dev libfontconfig-dev"
bench="time"

usage() {
	echo "usage: tools/deps.sh [build|demo|test|bench]..." >&2
	exit 2
}

wanted=
for group in "${@:-build}"; do
	case $group in
	build)	wanted="$wanted $build" ;;
	demo)	wanted="$wanted $build $demo" ;;
	test)	wanted="$wanted $build $demo $test" ;;
	bench)	wanted="$wanted $build $demo $test $bench" ;;
	*)	usage ;;
	esac
done

# Only "install ok installed" counts: dpkg also remembers packages that were removed.
missing=$wanted
if command -v dpkg-query >/dev/null; then
	# shellcheck disable=SC2086 # a list of words
	present=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $wanted 2>/dev/null |
		sed -n 's/ installed$//p') || true
	missing=
	for package in $wanted; do
		case "
$present
" in
		*"
$package
"*) ;;
		*) case " $missing " in *" $package "*) ;; *) missing="$missing $package" ;; esac ;;
		esac
	done
fi
missing=$(echo $missing)
[ -n "$missing" ] || exit 0

debian=no
if [ -r /etc/os-release ] && grep -qE '^(ID|ID_LIKE)="?.*debian' /etc/os-release &&
	command -v apt-get >/dev/null; then
	debian=yes
fi

if [ "$debian" = no ]; then
	echo "heapfx needs these packages (Debian's names), and this is not Debian:" >&2
	echo "$missing" >&2
	exit 1
fi
if [ "$(id -u)" != 0 ]; then
	echo "heapfx needs these packages; as root run:" >&2
	echo "apt-get install --no-install-recommends $missing" >&2
	exit 1
fi

echo "installing: $missing" >&2
export DEBIAN_FRONTEND=noninteractive
patience="-o Acquire::Retries=5 -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60"
install="apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $patience"
# A fresh image has no package lists, and an old one has stale ones: then, and only then, refresh.
# A network that is away for a moment gets another two chances.
# shellcheck disable=SC2086
$install $missing >/dev/null 2>&1 && exit 0
for pause in 5 30; do
	# shellcheck disable=SC2086
	apt-get update -qq $patience && $install $missing >/dev/null && exit 0
	sleep $pause
done
# shellcheck disable=SC2086
apt-get update -qq $patience && exec $install $missing >/dev/null
