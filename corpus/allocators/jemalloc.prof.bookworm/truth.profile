heap_v2/2048
  t*: 55: 455024 [0: 0]
  t0: 3: 82560 [0: 0]
  t1: 5: 24320 [0: 0]
  t2: 12: 66608 [0: 0]
  t3: 7: 52192 [0: 0]
  t11: 1: 512 [0: 0]
  t13: 9: 54496 [0: 0]
  t14: 9: 104832 [0: 0]
  t15: 9: 69504 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d01df07 0x7f475d3eb591 0x7f475d3f4601 0x7f475d3f46ea 0x7f475d3f4743 0x7f475cea71f5 0x7f475cf278ec
  t*: 10: 164608 [0: 0]
  t13: 3: 32256 [0: 0]
  t14: 3: 71040 [0: 0]
  t15: 4: 61312 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d022045 0x7f475d3eb37c 0x7f475d3f5001 0x7f475d3f4779 0x7f475d3f4807 0x7f475cea71f5 0x7f475cf278ec
  t*: 4: 7328 [0: 0]
  t1: 2: 4096 [0: 0]
  t3: 2: 3232 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d022045 0x7f475d3eb37c 0x7f475d3f5001 0x7f475d3f4797 0x7f475d3f4807 0x7f475cea71f5 0x7f475cf278ec
  t*: 4: 8448 [0: 0]
  t1: 2: 3840 [0: 0]
  t2: 1: 3072 [0: 0]
  t3: 1: 1536 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d022045 0x7f475d3eb37c 0x7f475d3f46ba 0x7f475d3f46ea 0x7f475d3f4743 0x7f475cea71f5 0x7f475cf278ec
  t*: 5: 23264 [0: 0]
  t13: 3: 10976 [0: 0]
  t14: 2: 12288 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d022045 0x7f475d3eb37c 0x7f475d3f46ba 0x7f475d3f46ea 0x7f475d3f47e8 0x7f475cea71f5 0x7f475cf278ec
  t*: 5: 42304 [0: 0]
  t2: 3: 1024 [0: 0]
  t3: 2: 41280 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d02488b 0x7f475d3eb670 0x7f475d3f46aa 0x7f475d3f46ea 0x7f475d3f4743 0x7f475cea71f5 0x7f475cf278ec
  t*: 6: 9216 [0: 0]
  t11: 1: 512 [0: 0]
  t14: 2: 6144 [0: 0]
  t15: 3: 2560 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d02488b 0x7f475d3eb670 0x7f475d3f46aa 0x7f475d3f46ea 0x7f475d3f47e8 0x7f475cea71f5 0x7f475cf278ec
  t*: 4: 7168 [0: 0]
  t2: 2: 1024 [0: 0]
  t3: 2: 6144 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d02488b 0x7f475d3eb670 0x7f475d3eb6f3 0x7f475d3f4657 0x7f475d3f46ea 0x7f475d3f4743 0x7f475cea71f5 0x7f475cf278ec
  t*: 4: 12288 [0: 0]
  t13: 3: 11264 [0: 0]
  t14: 1: 1024 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d02488b 0x7f475d3eb670 0x7f475d3eb6f3 0x7f475d3f4657 0x7f475d3f46ea 0x7f475d3f47e8 0x7f475cea71f5 0x7f475cf278ec
  t*: 4: 44032 [0: 0]
  t1: 1: 16384 [0: 0]
  t2: 3: 27648 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d022ed9 0x7f475d3eb37c 0x7f475cca57ba 0x7f475d515a1e 0x7f475d515b04 0x7f475d52bba0
  t*: 1: 81920 [0: 0]
  t0: 1: 81920 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d0255e1 0x7f475d3eb412 0x7f475d3f4593 0x7f475d3f46ea 0x7f475d3f4743 0x7f475cea71f5 0x7f475cf278ec
  t*: 3: 19968 [0: 0]
  t14: 1: 14336 [0: 0]
  t15: 2: 5632 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d0255e1 0x7f475d3eb412 0x7f475d3f4593 0x7f475d3f46ea 0x7f475d3f47e8 0x7f475cea71f5 0x7f475cf278ec
  t*: 3: 33840 [0: 0]
  t2: 3: 33840 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d0255e1 0x7f475d3eb412 0x7f475d521cb3 0x7f475d52271e 0x7f475cea7daf 0x7f475d3f491b 0x7f475d3f4b08 0x7f475ce4524a 0x7f475ce45305 0x7f475d3f423a
  t*: 1: 320 [0: 0]
  t0: 1: 320 [0: 0]
@ 0x7f475d0a2630 0x7f475d0a2d21 0x7f475d095f24 0x7f475d0255e1 0x7f475d3eb412 0x7f475d521cb3 0x7f475d52271e 0x7f475cea7daf 0x7f475d3f487f 0x7f475d3f4b08 0x7f475ce4524a 0x7f475ce45305 0x7f475d3f423a
  t*: 1: 320 [0: 0]
  t0: 1: 320 [0: 0]

MAPPED_LIBRARIES:
7f4759000000-7f4759800000 rw-p 00000000 00:00 0 
7f4759980000-7f475a000000 rw-p 00000000 00:00 0 
7f475a180000-7f475a800000 rw-p 00000000 00:00 0 
7f475a980000-7f475b000000 rw-p 00000000 00:00 0 
7f475b0ba000-7f475b0bb000 ---p 00000000 00:00 0 
7f475b0bb000-7f475b0fb000 rw-p 00000000 00:00 0 
7f475b0fb000-7f475b0fc000 ---p 00000000 00:00 0 
7f475b0fc000-7f475b13c000 rw-p 00000000 00:00 0 
7f475b13c000-7f475b13d000 ---p 00000000 00:00 0 
7f475b13d000-7f475b17d000 rw-p 00000000 00:00 0 
7f475b17d000-7f475b17e000 ---p 00000000 00:00 0 
7f475b17e000-7f475b1be000 rw-p 00000000 00:00 0 
7f475b1be000-7f475b1bf000 ---p 00000000 00:00 0 
7f475b1bf000-7f475b1ff000 rw-p 00000000 00:00 0 
7f475b1ff000-7f475c200000 rw-s 00000000 00:01 2365553                    /memfd:allocations (deleted)
7f475c200000-7f475ca00000 rw-p 00000000 00:00 0 
7f475ca16000-7f475ca17000 ---p 00000000 00:00 0 
7f475ca17000-7f475ca57000 rw-p 00000000 00:00 0 
7f475ca57000-7f475cbe0000 rw-p 00000000 00:00 0 
7f475cbe0000-7f475cbe3000 r--p 00000000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f475cbe3000-7f475cbfa000 r-xp 00003000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f475cbfa000-7f475cbfe000 r--p 0001a000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f475cbfe000-7f475cbff000 r--p 0001d000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f475cbff000-7f475cc00000 rw-p 0001e000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f475cc00000-7f475cc99000 r--p 00000000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f475cc99000-7f475cd9a000 r-xp 00099000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f475cd9a000-7f475ce09000 r--p 0019a000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f475ce09000-7f475ce14000 r--p 00209000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f475ce14000-7f475ce17000 rw-p 00214000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f475ce17000-7f475ce1a000 rw-p 00000000 00:00 0 
7f475ce1e000-7f475ce44000 r--p 00000000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f475ce44000-7f475cf9a000 r-xp 00026000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f475cf9a000-7f475cfed000 r--p 0017c000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f475cfed000-7f475cff1000 r--p 001cf000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f475cff1000-7f475cff3000 rw-p 001d3000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f475cff3000-7f475d000000 rw-p 00000000 00:00 0 
7f475d000000-7f475d009000 r--p 00000000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f475d009000-7f475d0af000 r-xp 00009000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f475d0af000-7f475d0c7000 r--p 000af000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f475d0c7000-7f475d0cd000 r--p 000c6000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f475d0cd000-7f475d0ce000 rw-p 000cc000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f475d0ce000-7f475d2ed000 rw-p 00000000 00:00 0 
7f475d2f7000-7f475d2fe000 rw-p 00000000 00:00 0 
7f475d2fe000-7f475d30e000 r--p 00000000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f475d30e000-7f475d382000 r-xp 00010000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f475d382000-7f475d3dc000 r--p 00084000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f475d3dc000-7f475d3dd000 r--p 000dd000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f475d3dd000-7f475d3de000 rw-p 000de000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f475d3de000-7f475d3df000 r--p 00000000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f475d3df000-7f475d3e0000 r-xp 00001000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f475d3e0000-7f475d3e1000 r--p 00002000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f475d3e1000-7f475d3e2000 r--p 00002000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f475d3e2000-7f475d3e3000 rw-p 00003000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f475d3e3000-7f475d3e5000 rw-p 00000000 00:00 0 
7f475d3e5000-7f475d3e6000 r--p 00000000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f475d3e6000-7f475d3e7000 r-xp 00001000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f475d3e7000-7f475d3e8000 r--p 00002000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f475d3e8000-7f475d3e9000 r--p 00002000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f475d3e9000-7f475d3ea000 rw-p 00003000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f475d3ea000-7f475d3eb000 r--p 00000000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7f475d3eb000-7f475d3ec000 r-xp 00001000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7f475d3ec000-7f475d3ed000 r--p 00002000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7f475d3ed000-7f475d3ee000 r--p 00002000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7f475d3ee000-7f475d3ef000 rw-p 00003000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7f475d3ef000-7f475d3f2000 rw-p 00000000 00:00 0 
7f475d3f2000-7f475d3f4000 r--p 00000000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7f475d3f4000-7f475d3f6000 r-xp 00002000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7f475d3f6000-7f475d3f7000 r--p 00004000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7f475d3f7000-7f475d3f8000 r--p 00004000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7f475d3f8000-7f475d3f9000 rw-p 00005000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7f475d3f9000-7f475d509000 rw-p 00000000 00:00 0 
7f475d509000-7f475d50d000 r--p 00000000 00:00 0                          [vvar]
7f475d50d000-7f475d50f000 r--p 00000000 00:00 0                          [vvar_vclock]
7f475d50f000-7f475d511000 r-xp 00000000 00:00 0                          [vdso]
7f475d511000-7f475d512000 r--p 00000000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f475d512000-7f475d538000 r-xp 00001000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f475d538000-7f475d542000 r--p 00027000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f475d542000-7f475d544000 r--p 00031000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f475d544000-7f475d546000 rw-p 00033000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffd4931d000-7ffd4933e000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
