heap_v2/8192
  t*: 25: 485280 [0: 0]
  t0: 1: 81920 [0: 0]
  t1: 0: 0 [0: 0]
  t2: 5: 104960 [0: 0]
  t3: 3: 49152 [0: 0]
  t10: 1: 32768 [0: 0]
  t13: 7: 55712 [0: 0]
  t14: 3: 85504 [0: 0]
  t15: 5: 75264 [0: 0]
@ 0x7f474ac70b42 0x7f474ac14c1b 0x7f474affa670 0x7f474b0036aa 0x7f474b0036ea 0x7f474b003743 0x7f474afdeea7 0x7f474ab27acf
  t*: 4: 34304 [0: 0]
  t14: 1: 16384 [0: 0]
  t15: 3: 17920 [0: 0]
@ 0x7f474ac70b42 0x7f474ac14c1b 0x7f474affa670 0x7f474b0036aa 0x7f474b0036ea 0x7f474b0037e8 0x7f474afdeea7 0x7f474ab27acf
  t*: 2: 32768 [0: 0]
  t2: 1: 16384 [0: 0]
  t3: 1: 16384 [0: 0]
@ 0x7f474ac70b42 0x7f474ac14c1b 0x7f474affa670 0x7f474affa6f3 0x7f474b003657 0x7f474b0036ea 0x7f474b003743 0x7f474afdeea7 0x7f474ab27acf
  t*: 3: 19456 [0: 0]
  t13: 3: 19456 [0: 0]
@ 0x7f474ac70b42 0x7f474ac14c1b 0x7f474affa670 0x7f474affa6f3 0x7f474b003657 0x7f474b0036ea 0x7f474b0037e8 0x7f474afdeea7 0x7f474ab27acf
  t*: 3: 49152 [0: 0]
  t2: 1: 16384 [0: 0]
  t3: 2: 32768 [0: 0]
@ 0x7f474ac70b42 0x7f474ac0eb33 0x7f474affa591 0x7f474b003601 0x7f474b0036ea 0x7f474b003743 0x7f474afdeea7 0x7f474ab27acf
  t*: 3: 90112 [0: 0]
  t13: 1: 32768 [0: 0]
  t15: 2: 57344 [0: 0]
@ 0x7f474ac70b42 0x7f474ac0eb33 0x7f474affa591 0x7f474b003601 0x7f474b0036ea 0x7f474b0037e8 0x7f474afdeea7 0x7f474ab27acf
  t*: 1: 2560 [0: 0]
  t2: 1: 2560 [0: 0]
@ 0x7f474ac70b42 0x7f474ac15553 0x7f474affa412 0x7f474b003593 0x7f474b0036ea 0x7f474b003743 0x7f474afdeea7 0x7f474ab27acf
  t*: 2: 3104 [0: 0]
  t13: 2: 3104 [0: 0]
@ 0x7f474ac70b42 0x7f474ac11c55 0x7f474affa37c 0x7f474b0036ba 0x7f474b0036ea 0x7f474b003743 0x7f474afdeea7 0x7f474ab27acf
  t*: 4: 102272 [0: 0]
  t10: 1: 32768 [0: 0]
  t13: 1: 384 [0: 0]
  t14: 2: 69120 [0: 0]
@ 0x7f474ac70b42 0x7f474ac11c55 0x7f474affa37c 0x7f474b0036ba 0x7f474b0036ea 0x7f474b0037e8 0x7f474afdeea7 0x7f474ab27acf
  t*: 2: 69632 [0: 0]
  t2: 2: 69632 [0: 0]
@ 0x7f474ac70b42 0x7f474ac1285e 0x7f474affa37c 0x7f474a7bd546 0x7f474b12ffe2 0x7f474b1300e9 0x7f474b1210ca
  t*: 1: 81920 [0: 0]
  t0: 1: 81920 [0: 0]

MAPPED_LIBRARIES:
7f4746d80000-7f4747400000 rw-p 00000000 00:00 0 
7f4747580000-7f4747a00000 rw-p 00000000 00:00 0 
7f4747b80000-7f4748400000 rw-p 00000000 00:00 0 
7f4748580000-7f4748c00000 rw-p 00000000 00:00 0 
7f4748c76000-7f4748dff000 rw-p 00000000 00:00 0 
7f4748dff000-7f4749e00000 rw-s 00000000 00:01 2364658                    /memfd:allocations (deleted)
7f4749e00000-7f474a600000 rw-p 00000000 00:00 0 
7f474a658000-7f474a659000 ---p 00000000 00:00 0 
7f474a659000-7f474a699000 rw-p 00000000 00:00 0 
7f474a699000-7f474a69a000 ---p 00000000 00:00 0 
7f474a69a000-7f474a6da000 rw-p 00000000 00:00 0 
7f474a6da000-7f474a6db000 ---p 00000000 00:00 0 
7f474a6db000-7f474a71b000 rw-p 00000000 00:00 0 
7f474a71b000-7f474a7b1000 r--p 00000000 fe:00 9977978                    /tmp/heapfx-glibc/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.28
7f474a7b1000-7f474a88d000 r-xp 00096000 fe:00 9977978                    /tmp/heapfx-glibc/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.28
7f474a88d000-7f474a8d7000 r--p 00172000 fe:00 9977978                    /tmp/heapfx-glibc/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.28
7f474a8d7000-7f474a8e2000 r--p 001bb000 fe:00 9977978                    /tmp/heapfx-glibc/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.28
7f474a8e2000-7f474a8e5000 rw-p 001c6000 fe:00 9977978                    /tmp/heapfx-glibc/bullseye/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.28
7f474a8e5000-7f474a8e8000 rw-p 00000000 00:00 0 
7f474a8e8000-7f474a8f5000 r--p 00000000 fe:00 9980746                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libm-2.31.so
7f474a8f5000-7f474a98f000 r-xp 0000d000 fe:00 9980746                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libm-2.31.so
7f474a98f000-7f474aa2a000 r--p 000a7000 fe:00 9980746                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libm-2.31.so
7f474aa2a000-7f474aa2b000 r--p 00141000 fe:00 9980746                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libm-2.31.so
7f474aa2b000-7f474aa2c000 rw-p 00142000 fe:00 9980746                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libm-2.31.so
7f474aa2c000-7f474aa4e000 r--p 00000000 fe:00 9980744                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libc-2.31.so
7f474aa4e000-7f474aba7000 r-xp 00022000 fe:00 9980744                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libc-2.31.so
7f474aba7000-7f474abf6000 r--p 0017b000 fe:00 9980744                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libc-2.31.so
7f474abf6000-7f474abfa000 r--p 001c9000 fe:00 9980744                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libc-2.31.so
7f474abfa000-7f474abfc000 rw-p 001cd000 fe:00 9980744                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libc-2.31.so
7f474abfc000-7f474ac00000 rw-p 00000000 00:00 0 
7f474ac00000-7f474ac07000 r--p 00000000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474ac07000-7f474ac99000 r-xp 00007000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474ac99000-7f474aca9000 r--p 00099000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474aca9000-7f474acaa000 ---p 000a9000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474acaa000-7f474acaf000 r--p 000a9000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474acaf000-7f474acb0000 rw-p 000ae000 fe:00 10766119                   /tmp/heapfx-glibc/bullseye.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f474acb0000-7f474aed5000 rw-p 00000000 00:00 0 
7f474aeea000-7f474aeeb000 ---p 00000000 00:00 0 
7f474aeeb000-7f474af2b000 rw-p 00000000 00:00 0 
7f474af2b000-7f474af2c000 ---p 00000000 00:00 0 
7f474af2c000-7f474af6c000 rw-p 00000000 00:00 0 
7f474af6c000-7f474af6d000 ---p 00000000 00:00 0 
7f474af6d000-7f474afad000 rw-p 00000000 00:00 0 
7f474afad000-7f474afb5000 rw-p 00000000 00:00 0 
7f474afb5000-7f474afb8000 r--p 00000000 fe:00 9977983                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libgcc_s.so.1
7f474afb8000-7f474afc9000 r-xp 00003000 fe:00 9977983                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libgcc_s.so.1
7f474afc9000-7f474afcd000 r--p 00014000 fe:00 9977983                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libgcc_s.so.1
7f474afcd000-7f474afce000 r--p 00017000 fe:00 9977983                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libgcc_s.so.1
7f474afce000-7f474afcf000 rw-p 00018000 fe:00 9977983                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libgcc_s.so.1
7f474afcf000-7f474afd1000 rw-p 00000000 00:00 0 
7f474afd1000-7f474afd2000 r--p 00000000 fe:00 9980745                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libdl-2.31.so
7f474afd2000-7f474afd4000 r-xp 00001000 fe:00 9980745                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libdl-2.31.so
7f474afd4000-7f474afd5000 r--p 00003000 fe:00 9980745                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libdl-2.31.so
7f474afd5000-7f474afd6000 r--p 00003000 fe:00 9980745                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libdl-2.31.so
7f474afd6000-7f474afd7000 rw-p 00004000 fe:00 9980745                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libdl-2.31.so
7f474afd7000-7f474afdd000 r--p 00000000 fe:00 9980755                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libpthread-2.31.so
7f474afdd000-7f474afed000 r-xp 00006000 fe:00 9980755                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libpthread-2.31.so
7f474afed000-7f474aff3000 r--p 00016000 fe:00 9980755                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libpthread-2.31.so
7f474aff3000-7f474aff4000 r--p 0001b000 fe:00 9980755                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libpthread-2.31.so
7f474aff4000-7f474aff5000 rw-p 0001c000 fe:00 9980755                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/libpthread-2.31.so
7f474aff5000-7f474aff9000 rw-p 00000000 00:00 0 
7f474aff9000-7f474affa000 r--p 00000000 fe:00 10068518                   /tmp/jc/jemalloc.prof.bullseye.recorder.so
7f474affa000-7f474affb000 r-xp 00001000 fe:00 10068518                   /tmp/jc/jemalloc.prof.bullseye.recorder.so
7f474affb000-7f474affc000 r--p 00002000 fe:00 10068518                   /tmp/jc/jemalloc.prof.bullseye.recorder.so
7f474affc000-7f474affd000 r--p 00002000 fe:00 10068518                   /tmp/jc/jemalloc.prof.bullseye.recorder.so
7f474affd000-7f474affe000 rw-p 00003000 fe:00 10068518                   /tmp/jc/jemalloc.prof.bullseye.recorder.so
7f474affe000-7f474b001000 rw-p 00000000 00:00 0 
7f474b001000-7f474b003000 r--p 00000000 fe:00 10068519                   /tmp/jc/jemalloc.prof.bullseye
7f474b003000-7f474b005000 r-xp 00002000 fe:00 10068519                   /tmp/jc/jemalloc.prof.bullseye
7f474b005000-7f474b006000 r--p 00004000 fe:00 10068519                   /tmp/jc/jemalloc.prof.bullseye
7f474b006000-7f474b007000 r--p 00004000 fe:00 10068519                   /tmp/jc/jemalloc.prof.bullseye
7f474b007000-7f474b008000 rw-p 00005000 fe:00 10068519                   /tmp/jc/jemalloc.prof.bullseye
7f474b008000-7f474b118000 rw-p 00000000 00:00 0 
7f474b118000-7f474b11c000 r--p 00000000 00:00 0                          [vvar]
7f474b11c000-7f474b11e000 r--p 00000000 00:00 0                          [vvar_vclock]
7f474b11e000-7f474b120000 r-xp 00000000 00:00 0                          [vdso]
7f474b120000-7f474b121000 r--p 00000000 fe:00 9980740                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/ld-2.31.so
7f474b121000-7f474b141000 r-xp 00001000 fe:00 9980740                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/ld-2.31.so
7f474b141000-7f474b149000 r--p 00021000 fe:00 9980740                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/ld-2.31.so
7f474b14a000-7f474b14b000 r--p 00029000 fe:00 9980740                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/ld-2.31.so
7f474b14b000-7f474b14c000 rw-p 0002a000 fe:00 9980740                    /tmp/heapfx-glibc/bullseye/lib/x86_64-linux-gnu/ld-2.31.so
7f474b14c000-7f474b14d000 rw-p 00000000 00:00 0 
7fff3c25a000-7fff3c27b000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
