heap_v2/2048
  t*: 64: 489816 [0: 0]
  t0: 2: 74112 [0: 0]
  t1: 7: 34760 [0: 0]
  t2: 12: 91648 [0: 0]
  t3: 5: 4720 [0: 0]
  t10: 1: 32768 [0: 0]
  t12: 1: 57344 [0: 0]
  t13: 10: 26592 [0: 0]
  t14: 11: 30432 [0: 0]
  t15: 15: 137440 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e1bf1a 0x7f2fc81c8591 0x7f2fc81d1601 0x7f2fc81d16ea 0x7f2fc81d1743 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 5: 67968 [0: 0]
  t14: 1: 5120 [0: 0]
  t15: 4: 62848 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e1bf1a 0x7f2fc81c8591 0x7f2fc81d1601 0x7f2fc81d16ea 0x7f2fc81d17e8 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 5: 25256 [0: 0]
  t1: 2: 264 [0: 0]
  t2: 2: 24832 [0: 0]
  t3: 1: 160 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e2151e 0x7f2fc81c837c 0x7f2fc78b9b04 0x7f2fc82f3fbe 0x7f2fc82f408c 0x7f2fc830bd30
  t*: 1: 73728 [0: 0]
  t0: 1: 73728 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e24679 0x7f2fc81c8412 0x7f2fc830083f 0x7f2fc830127e 0x7f2fc7c9fae0 0x7f2fc81d187f 0x7f2fc81d1b08 0x7f2fc7c33fba 0x7f2fc7c340d7 0x7f2fc81d123a
  t*: 1: 384 [0: 0]
  t0: 1: 384 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e24679 0x7f2fc81c8412 0x7f2fc81d1593 0x7f2fc81d16ea 0x7f2fc81d1743 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 7: 16352 [0: 0]
  t13: 1: 1536 [0: 0]
  t14: 3: 7840 [0: 0]
  t15: 3: 6976 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e24679 0x7f2fc81c8412 0x7f2fc81d1593 0x7f2fc81d16ea 0x7f2fc81d17e8 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 4: 34432 [0: 0]
  t1: 1: 448 [0: 0]
  t2: 3: 33984 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e2337f 0x7f2fc81c8670 0x7f2fc81d16aa 0x7f2fc81d16ea 0x7f2fc81d1743 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 11: 48512 [0: 0]
  t13: 2: 6144 [0: 0]
  t14: 4: 7552 [0: 0]
  t15: 5: 34816 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e2337f 0x7f2fc81c8670 0x7f2fc81d16aa 0x7f2fc81d16ea 0x7f2fc81d17e8 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 1: 1024 [0: 0]
  t3: 1: 1024 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e2337f 0x7f2fc81c8670 0x7f2fc81c86f3 0x7f2fc81d1657 0x7f2fc81d16ea 0x7f2fc81d1743 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 5: 107520 [0: 0]
  t12: 1: 57344 [0: 0]
  t13: 2: 17408 [0: 0]
  t15: 2: 32768 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e2337f 0x7f2fc81c8670 0x7f2fc81c86f3 0x7f2fc81d1657 0x7f2fc81d16ea 0x7f2fc81d17e8 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 6: 48128 [0: 0]
  t1: 1: 16384 [0: 0]
  t2: 5: 31744 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e20491 0x7f2fc81c837c 0x7f2fc81d2001 0x7f2fc81d1779 0x7f2fc81d1807 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 4: 5072 [0: 0]
  t1: 1: 1536 [0: 0]
  t3: 3: 3536 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e20491 0x7f2fc81c837c 0x7f2fc81d2001 0x7f2fc81d1797 0x7f2fc81d1807 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 2: 2688 [0: 0]
  t1: 1: 1792 [0: 0]
  t2: 1: 896 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e20491 0x7f2fc81c837c 0x7f2fc81d16ba 0x7f2fc81d16ea 0x7f2fc81d1743 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 10: 44224 [0: 0]
  t10: 1: 32768 [0: 0]
  t13: 5: 1504 [0: 0]
  t14: 3: 9920 [0: 0]
  t15: 1: 32 [0: 0]
@ 0x7f2fc7eb4d24 0x7f2fc7eb5525 0x7f2fc7ea83d7 0x7f2fc7e20491 0x7f2fc81c837c 0x7f2fc81d16ba 0x7f2fc81d16ea 0x7f2fc81d17e8 0x7f2fc7c9edb8 0x7f2fc7d1cf98
  t*: 2: 14528 [0: 0]
  t1: 1: 14336 [0: 0]
  t2: 1: 192 [0: 0]

MAPPED_LIBRARIES:
7f2fc4380000-7f2fc4a00000 rw-p 00000000 00:00 0 
7f2fc4b80000-7f2fc5600000 rw-p 00000000 00:00 0 
7f2fc56fe000-7f2fc5780000 rw-p 00000000 00:00 0 
7f2fc5780000-7f2fc5e00000 rw-p 00000000 00:00 0 
7f2fc5e35000-7f2fc5e76000 rw-p 00000000 00:00 0 
7f2fc5e76000-7f2fc5fff000 rw-p 00000000 00:00 0 
7f2fc5fff000-7f2fc7000000 rw-s 00000000 00:01 2365554                    /memfd:allocations (deleted)
7f2fc7000000-7f2fc7800000 rw-p 00000000 00:00 0 
7f2fc7800000-7f2fc78a6000 r--p 00000000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7f2fc78a6000-7f2fc7a05000 r-xp 000a6000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7f2fc7a05000-7f2fc7a99000 r--p 00205000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7f2fc7a99000-7f2fc7aa8000 r--p 00298000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7f2fc7aa8000-7f2fc7aab000 rw-p 002a7000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7f2fc7aab000-7f2fc7aaf000 rw-p 00000000 00:00 0 
7f2fc7ab3000-7f2fc7af4000 rw-p 00000000 00:00 0 
7f2fc7af4000-7f2fc7b06000 r--p 00000000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7f2fc7b06000-7f2fc7b95000 r-xp 00012000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7f2fc7b95000-7f2fc7c08000 r--p 000a1000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7f2fc7c08000-7f2fc7c09000 r--p 00113000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7f2fc7c09000-7f2fc7c0a000 rw-p 00114000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7f2fc7c0a000-7f2fc7c32000 r--p 00000000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7f2fc7c32000-7f2fc7d9a000 r-xp 00028000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7f2fc7d9a000-7f2fc7ded000 r--p 00190000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7f2fc7ded000-7f2fc7df1000 r--p 001e3000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7f2fc7df1000-7f2fc7df3000 rw-p 001e7000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7f2fc7df3000-7f2fc7e00000 rw-p 00000000 00:00 0 
7f2fc7e00000-7f2fc7e0a000 r--p 00000000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f2fc7e0a000-7f2fc7ec2000 r-xp 0000a000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f2fc7ec2000-7f2fc7edb000 r--p 000c2000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f2fc7edb000-7f2fc7ee2000 r--p 000da000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f2fc7ee2000-7f2fc7ee3000 rw-p 000e1000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7f2fc7ee3000-7f2fc8102000 rw-p 00000000 00:00 0 
7f2fc8104000-7f2fc8186000 rw-p 00000000 00:00 0 
7f2fc8186000-7f2fc818d000 rw-p 00000000 00:00 0 
7f2fc818d000-7f2fc8191000 r--p 00000000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f2fc8191000-7f2fc81b5000 r-xp 00004000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f2fc81b5000-7f2fc81b9000 r--p 00028000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f2fc81b9000-7f2fc81ba000 r--p 0002b000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f2fc81ba000-7f2fc81bb000 rw-p 0002c000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f2fc81bb000-7f2fc81bd000 rw-p 00000000 00:00 0 
7f2fc81bd000-7f2fc81be000 r--p 00000000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7f2fc81be000-7f2fc81bf000 r-xp 00001000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7f2fc81bf000-7f2fc81c0000 r--p 00002000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7f2fc81c0000-7f2fc81c1000 r--p 00002000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7f2fc81c1000-7f2fc81c2000 rw-p 00003000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7f2fc81c2000-7f2fc81c3000 r--p 00000000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f2fc81c3000-7f2fc81c4000 r-xp 00001000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f2fc81c4000-7f2fc81c5000 r--p 00002000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f2fc81c5000-7f2fc81c6000 r--p 00002000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f2fc81c6000-7f2fc81c7000 rw-p 00003000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f2fc81c7000-7f2fc81c8000 r--p 00000000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7f2fc81c8000-7f2fc81c9000 r-xp 00001000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7f2fc81c9000-7f2fc81ca000 r--p 00002000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7f2fc81ca000-7f2fc81cb000 r--p 00002000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7f2fc81cb000-7f2fc81cc000 rw-p 00003000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7f2fc81cc000-7f2fc81cf000 rw-p 00000000 00:00 0 
7f2fc81cf000-7f2fc81d1000 r--p 00000000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7f2fc81d1000-7f2fc81d3000 r-xp 00002000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7f2fc81d3000-7f2fc81d4000 r--p 00004000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7f2fc81d4000-7f2fc81d5000 r--p 00004000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7f2fc81d5000-7f2fc81d6000 rw-p 00005000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7f2fc81d6000-7f2fc82e6000 rw-p 00000000 00:00 0 
7f2fc82e6000-7f2fc82ea000 r--p 00000000 00:00 0                          [vvar]
7f2fc82ea000-7f2fc82ec000 r--p 00000000 00:00 0                          [vvar_vclock]
7f2fc82ec000-7f2fc82ee000 r-xp 00000000 00:00 0                          [vdso]
7f2fc82ee000-7f2fc82ef000 r--p 00000000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f2fc82ef000-7f2fc8318000 r-xp 00001000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f2fc8318000-7f2fc8323000 r--p 0002a000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f2fc8323000-7f2fc8325000 r--p 00035000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f2fc8325000-7f2fc8326000 rw-p 00037000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f2fc8326000-7f2fc8327000 rw-p 00000000 00:00 0 
7ffd905d9000-7ffd905fa000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
