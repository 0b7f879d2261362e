heap_v2/8192
  t*: 28: 438848 [0: 0]
  t0: 1: 73728 [0: 0]
  t1: 2: 3584 [0: 0]
  t2: 6: 99200 [0: 0]
  t3: 4: 73216 [0: 0]
  t11: 1: 32768 [0: 0]
  t12: 2: 22528 [0: 0]
  t13: 3: 35872 [0: 0]
  t14: 1: 256 [0: 0]
  t15: 8: 97696 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb261bf1a 0x7fceb29ab591 0x7fceb29b4601 0x7fceb29b46ea 0x7fceb29b4743 0x7fceb249edb8 0x7fceb251cf98
  t*: 4: 66560 [0: 0]
  t13: 1: 32768 [0: 0]
  t15: 3: 33792 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb261bf1a 0x7fceb29ab591 0x7fceb29b4601 0x7fceb29b46ea 0x7fceb29b47e8 0x7fceb249edb8 0x7fceb251cf98
  t*: 3: 33536 [0: 0]
  t1: 1: 1792 [0: 0]
  t2: 1: 24576 [0: 0]
  t3: 1: 7168 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb262151e 0x7fceb29ab37c 0x7fceb20b9b04 0x7fceb2ad6fbe 0x7fceb2ad708c 0x7fceb2aeed30
  t*: 1: 73728 [0: 0]
  t0: 1: 73728 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb2624679 0x7fceb29ab412 0x7fceb29b4593 0x7fceb29b46ea 0x7fceb29b4743 0x7fceb249edb8 0x7fceb251cf98
  t*: 3: 9536 [0: 0]
  t12: 1: 6144 [0: 0]
  t13: 1: 3072 [0: 0]
  t15: 1: 320 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb262337f 0x7fceb29ab670 0x7fceb29b46aa 0x7fceb29b46ea 0x7fceb29b4743 0x7fceb249edb8 0x7fceb251cf98
  t*: 1: 96 [0: 0]
  t15: 1: 96 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb262337f 0x7fceb29ab670 0x7fceb29ab6f3 0x7fceb29b4657 0x7fceb29b46ea 0x7fceb29b4743 0x7fceb249edb8 0x7fceb251cf98
  t*: 2: 32768 [0: 0]
  t12: 1: 16384 [0: 0]
  t15: 1: 16384 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb262337f 0x7fceb29ab670 0x7fceb29ab6f3 0x7fceb29b4657 0x7fceb29b46ea 0x7fceb29b47e8 0x7fceb249edb8 0x7fceb251cf98
  t*: 3: 61440 [0: 0]
  t2: 3: 61440 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb2620491 0x7fceb29ab37c 0x7fceb29b5001 0x7fceb29b4779 0x7fceb29b4807 0x7fceb249edb8 0x7fceb251cf98
  t*: 1: 1792 [0: 0]
  t1: 1: 1792 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb2620491 0x7fceb29ab37c 0x7fceb29b5001 0x7fceb29b4797 0x7fceb29b4807 0x7fceb249edb8 0x7fceb251cf98
  t*: 2: 1408 [0: 0]
  t2: 1: 896 [0: 0]
  t3: 1: 512 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb2620491 0x7fceb29ab37c 0x7fceb29b46ba 0x7fceb29b46ea 0x7fceb29b4743 0x7fceb249edb8 0x7fceb251cf98
  t*: 5: 80160 [0: 0]
  t11: 1: 32768 [0: 0]
  t13: 1: 32 [0: 0]
  t14: 1: 256 [0: 0]
  t15: 2: 47104 [0: 0]
@ 0x7fceb26b4d24 0x7fceb26b5525 0x7fceb26a83d7 0x7fceb2620491 0x7fceb29ab37c 0x7fceb29b46ba 0x7fceb29b46ea 0x7fceb29b47e8 0x7fceb249edb8 0x7fceb251cf98
  t*: 3: 77824 [0: 0]
  t2: 1: 12288 [0: 0]
  t3: 2: 65536 [0: 0]

MAPPED_LIBRARIES:
7fceae600000-7fceaea00000 rw-p 00000000 00:00 0 
7fceaeb80000-7fceaf200000 rw-p 00000000 00:00 0 
7fceaf380000-7fceafe00000 rw-p 00000000 00:00 0 
7fceafebd000-7fceaff80000 rw-p 00000000 00:00 0 
7fceaff80000-7fceb0600000 rw-p 00000000 00:00 0 
7fceb0635000-7fceb0676000 rw-p 00000000 00:00 0 
7fceb0676000-7fceb07ff000 rw-p 00000000 00:00 0 
7fceb07ff000-7fceb1800000 rw-s 00000000 00:01 2364659                    /memfd:allocations (deleted)
7fceb1800000-7fceb2000000 rw-p 00000000 00:00 0 
7fceb2000000-7fceb20a6000 r--p 00000000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fceb20a6000-7fceb2205000 r-xp 000a6000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fceb2205000-7fceb2299000 r--p 00205000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fceb2299000-7fceb22a8000 r--p 00298000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fceb22a8000-7fceb22ab000 rw-p 002a7000 fe:00 9977949                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fceb22ab000-7fceb22af000 rw-p 00000000 00:00 0 
7fceb22b3000-7fceb22f4000 rw-p 00000000 00:00 0 
7fceb22f4000-7fceb2306000 r--p 00000000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fceb2306000-7fceb2395000 r-xp 00012000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fceb2395000-7fceb2408000 r--p 000a1000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fceb2408000-7fceb2409000 r--p 00113000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fceb2409000-7fceb240a000 rw-p 00114000 fe:00 9982032                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fceb240a000-7fceb2432000 r--p 00000000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fceb2432000-7fceb259a000 r-xp 00028000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fceb259a000-7fceb25ed000 r--p 00190000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fceb25ed000-7fceb25f1000 r--p 001e3000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fceb25f1000-7fceb25f3000 rw-p 001e7000 fe:00 9982029                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fceb25f3000-7fceb2600000 rw-p 00000000 00:00 0 
7fceb2600000-7fceb260a000 r--p 00000000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7fceb260a000-7fceb26c2000 r-xp 0000a000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7fceb26c2000-7fceb26db000 r--p 000c2000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7fceb26db000-7fceb26e2000 r--p 000da000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7fceb26e2000-7fceb26e3000 rw-p 000e1000 fe:00 12165308                   /tmp/heapfx-glibc/sid.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7fceb26e3000-7fceb2902000 rw-p 00000000 00:00 0 
7fceb2928000-7fceb2969000 rw-p 00000000 00:00 0 
7fceb2969000-7fceb2970000 rw-p 00000000 00:00 0 
7fceb2970000-7fceb2974000 r--p 00000000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fceb2974000-7fceb2998000 r-xp 00004000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fceb2998000-7fceb299c000 r--p 00028000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fceb299c000-7fceb299d000 r--p 0002b000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fceb299d000-7fceb299e000 rw-p 0002c000 fe:00 9982008                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fceb299e000-7fceb29a0000 rw-p 00000000 00:00 0 
7fceb29a0000-7fceb29a1000 r--p 00000000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fceb29a1000-7fceb29a2000 r-xp 00001000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fceb29a2000-7fceb29a3000 r--p 00002000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fceb29a3000-7fceb29a4000 r--p 00002000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fceb29a4000-7fceb29a5000 rw-p 00003000 fe:00 9982031                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fceb29a5000-7fceb29a6000 r--p 00000000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fceb29a6000-7fceb29a7000 r-xp 00001000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fceb29a7000-7fceb29a8000 r--p 00002000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fceb29a8000-7fceb29a9000 r--p 00002000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fceb29a9000-7fceb29aa000 rw-p 00003000 fe:00 9982041                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fceb29aa000-7fceb29ab000 r--p 00000000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7fceb29ab000-7fceb29ac000 r-xp 00001000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7fceb29ac000-7fceb29ad000 r--p 00002000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7fceb29ad000-7fceb29ae000 r--p 00002000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7fceb29ae000-7fceb29af000 rw-p 00003000 fe:00 10068523                   /tmp/jc/jemalloc.prof.sid.recorder.so
7fceb29af000-7fceb29b2000 rw-p 00000000 00:00 0 
7fceb29b2000-7fceb29b4000 r--p 00000000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7fceb29b4000-7fceb29b6000 r-xp 00002000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7fceb29b6000-7fceb29b7000 r--p 00004000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7fceb29b7000-7fceb29b8000 r--p 00004000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7fceb29b8000-7fceb29b9000 rw-p 00005000 fe:00 10068524                   /tmp/jc/jemalloc.prof.sid
7fceb29b9000-7fceb2ac9000 rw-p 00000000 00:00 0 
7fceb2ac9000-7fceb2acd000 r--p 00000000 00:00 0                          [vvar]
7fceb2acd000-7fceb2acf000 r--p 00000000 00:00 0                          [vvar_vclock]
7fceb2acf000-7fceb2ad1000 r-xp 00000000 00:00 0                          [vdso]
7fceb2ad1000-7fceb2ad2000 r--p 00000000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fceb2ad2000-7fceb2afb000 r-xp 00001000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fceb2afb000-7fceb2b06000 r--p 0002a000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fceb2b06000-7fceb2b08000 r--p 00035000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fceb2b08000-7fceb2b09000 rw-p 00037000 fe:00 9982026                    /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fceb2b09000-7fceb2b0a000 rw-p 00000000 00:00 0 
7ffcfa23b000-7ffcfa25c000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
