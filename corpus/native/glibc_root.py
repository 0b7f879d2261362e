#!/usr/bin/python3
"""glibc_root.py - glibc of other Debian suites, unpacked beside this machine's own."""


def path_of(suite):
	raise NotImplementedError
