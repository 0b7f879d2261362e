heap_v2/8192
  t*: 19: 296368 [0: 0]
  t0: 1: 81920 [0: 0]
  t1: 6: 15792 [0: 0]
  t2: 2: 15360 [0: 0]
  t3: 2: 15360 [0: 0]
  t12: 1: 57344 [0: 0]
  t13: 2: 40960 [0: 0]
  t14: 1: 6144 [0: 0]
  t15: 4: 63488 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c1df07 0x7ff7f7efe591 0x7ff7f7f07601 0x7ff7f7f076ea 0x7ff7f7f07743 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 2: 57344 [0: 0]
  t15: 2: 57344 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c1df07 0x7ff7f7efe591 0x7ff7f7f07601 0x7ff7f7f076ea 0x7ff7f7f077e8 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 2560 [0: 0]
  t1: 1: 2560 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c22045 0x7ff7f7efe37c 0x7ff7f7f08001 0x7ff7f7f07797 0x7ff7f7f07807 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 320 [0: 0]
  t1: 1: 320 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c22045 0x7ff7f7efe37c 0x7ff7f7f076ba 0x7ff7f7f076ea 0x7ff7f7f07743 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 6144 [0: 0]
  t14: 1: 6144 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c22045 0x7ff7f7efe37c 0x7ff7f7f076ba 0x7ff7f7f076ea 0x7ff7f7f077e8 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 3: 14960 [0: 0]
  t1: 2: 624 [0: 0]
  t2: 1: 14336 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c2488b 0x7ff7f7efe670 0x7ff7f7f076aa 0x7ff7f7f076ea 0x7ff7f7f07743 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 4096 [0: 0]
  t15: 1: 4096 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c2488b 0x7ff7f7efe670 0x7ff7f7f076aa 0x7ff7f7f076ea 0x7ff7f7f077e8 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 4: 20480 [0: 0]
  t1: 1: 4096 [0: 0]
  t2: 1: 1024 [0: 0]
  t3: 2: 15360 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c2488b 0x7ff7f7efe670 0x7ff7f7efe6f3 0x7ff7f7f07657 0x7ff7f7f076ea 0x7ff7f7f07743 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 3: 75776 [0: 0]
  t12: 1: 57344 [0: 0]
  t13: 1: 16384 [0: 0]
  t15: 1: 2048 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c22ed9 0x7ff7f7efe37c 0x7ff7f76a57ba 0x7ff7f8028a1e 0x7ff7f8028b04 0x7ff7f803eba0
  t*: 1: 81920 [0: 0]
  t0: 1: 81920 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c255e1 0x7ff7f7efe412 0x7ff7f7f07593 0x7ff7f7f076ea 0x7ff7f7f07743 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 24576 [0: 0]
  t13: 1: 24576 [0: 0]
@ 0x7ff7f7ca2630 0x7ff7f7ca2d21 0x7ff7f7c95f24 0x7ff7f7c255e1 0x7ff7f7efe412 0x7ff7f7f07593 0x7ff7f7f076ea 0x7ff7f7f077e8 0x7ff7f7aa71f5 0x7ff7f7b278ec
  t*: 1: 8192 [0: 0]
  t1: 1: 8192 [0: 0]

MAPPED_LIBRARIES:
7ff7f4000000-7ff7f4400000 rw-p 00000000 00:00 0 
7ff7f4580000-7ff7f4c00000 rw-p 00000000 00:00 0 
7ff7f4d80000-7ff7f5400000 rw-p 00000000 00:00 0 
7ff7f54fe000-7ff7f54ff000 ---p 00000000 00:00 0 
7ff7f54ff000-7ff7f553f000 rw-p 00000000 00:00 0 
7ff7f553f000-7ff7f5540000 ---p 00000000 00:00 0 
7ff7f5540000-7ff7f5580000 rw-p 00000000 00:00 0 
7ff7f5580000-7ff7f5c00000 rw-p 00000000 00:00 0 
7ff7f5c35000-7ff7f5c36000 ---p 00000000 00:00 0 
7ff7f5c36000-7ff7f5c76000 rw-p 00000000 00:00 0 
7ff7f5c76000-7ff7f5dff000 rw-p 00000000 00:00 0 
7ff7f5dff000-7ff7f6e00000 rw-s 00000000 00:01 2364657                    /memfd:allocations (deleted)
7ff7f6e00000-7ff7f7600000 rw-p 00000000 00:00 0 
7ff7f7600000-7ff7f7699000 r--p 00000000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7ff7f7699000-7ff7f779a000 r-xp 00099000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7ff7f779a000-7ff7f7809000 r--p 0019a000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7ff7f7809000-7ff7f7814000 r--p 00209000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7ff7f7814000-7ff7f7817000 rw-p 00214000 fe:00 9994849                    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7ff7f7817000-7ff7f781a000 rw-p 00000000 00:00 0 
7ff7f7858000-7ff7f7859000 ---p 00000000 00:00 0 
7ff7f7859000-7ff7f7899000 rw-p 00000000 00:00 0 
7ff7f7899000-7ff7f789a000 ---p 00000000 00:00 0 
7ff7f789a000-7ff7f78da000 rw-p 00000000 00:00 0 
7ff7f78da000-7ff7f78db000 ---p 00000000 00:00 0 
7ff7f78db000-7ff7f791b000 rw-p 00000000 00:00 0 
7ff7f791b000-7ff7f791e000 rw-p 00000000 00:00 0 
7ff7f791e000-7ff7f7921000 r--p 00000000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7ff7f7921000-7ff7f7938000 r-xp 00003000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7ff7f7938000-7ff7f793c000 r--p 0001a000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7ff7f793c000-7ff7f793d000 r--p 0001d000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7ff7f793d000-7ff7f793e000 rw-p 0001e000 fe:00 9994852                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7ff7f793e000-7ff7f794e000 r--p 00000000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7ff7f794e000-7ff7f79c2000 r-xp 00010000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7ff7f79c2000-7ff7f7a1c000 r--p 00084000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7ff7f7a1c000-7ff7f7a1d000 r--p 000dd000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7ff7f7a1d000-7ff7f7a1e000 rw-p 000de000 fe:00 9994864                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7ff7f7a1e000-7ff7f7a44000 r--p 00000000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7ff7f7a44000-7ff7f7b9a000 r-xp 00026000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7ff7f7b9a000-7ff7f7bed000 r--p 0017c000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7ff7f7bed000-7ff7f7bf1000 r--p 001cf000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7ff7f7bf1000-7ff7f7bf3000 rw-p 001d3000 fe:00 9994861                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7ff7f7bf3000-7ff7f7c00000 rw-p 00000000 00:00 0 
7ff7f7c00000-7ff7f7c09000 r--p 00000000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7ff7f7c09000-7ff7f7caf000 r-xp 00009000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7ff7f7caf000-7ff7f7cc7000 r--p 000af000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7ff7f7cc7000-7ff7f7ccd000 r--p 000c6000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7ff7f7ccd000-7ff7f7cce000 rw-p 000cc000 fe:00 10439086                   /tmp/heapfx-glibc/bookworm.packages/libjemalloc2/usr/lib/x86_64-linux-gnu/libjemalloc.so.2
7ff7f7cce000-7ff7f7ef1000 rw-p 00000000 00:00 0 
7ff7f7ef1000-7ff7f7ef2000 r--p 00000000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7ff7f7ef2000-7ff7f7ef3000 r-xp 00001000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7ff7f7ef3000-7ff7f7ef4000 r--p 00002000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7ff7f7ef4000-7ff7f7ef5000 r--p 00002000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7ff7f7ef5000-7ff7f7ef6000 rw-p 00003000 fe:00 9994863                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7ff7f7ef6000-7ff7f7ef8000 rw-p 00000000 00:00 0 
7ff7f7ef8000-7ff7f7ef9000 r--p 00000000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7ff7f7ef9000-7ff7f7efa000 r-xp 00001000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7ff7f7efa000-7ff7f7efb000 r--p 00002000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7ff7f7efb000-7ff7f7efc000 r--p 00002000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7ff7f7efc000-7ff7f7efd000 rw-p 00003000 fe:00 9994873                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7ff7f7efd000-7ff7f7efe000 r--p 00000000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7ff7f7efe000-7ff7f7eff000 r-xp 00001000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7ff7f7eff000-7ff7f7f00000 r--p 00002000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7ff7f7f00000-7ff7f7f01000 r--p 00002000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7ff7f7f01000-7ff7f7f02000 rw-p 00003000 fe:00 10068511                   /tmp/jc/jemalloc.prof.bookworm.recorder.so
7ff7f7f02000-7ff7f7f05000 rw-p 00000000 00:00 0 
7ff7f7f05000-7ff7f7f07000 r--p 00000000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7ff7f7f07000-7ff7f7f09000 r-xp 00002000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7ff7f7f09000-7ff7f7f0a000 r--p 00004000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7ff7f7f0a000-7ff7f7f0b000 r--p 00004000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7ff7f7f0b000-7ff7f7f0c000 rw-p 00005000 fe:00 10068512                   /tmp/jc/jemalloc.prof.bookworm
7ff7f7f0c000-7ff7f801c000 rw-p 00000000 00:00 0 
7ff7f801c000-7ff7f8020000 r--p 00000000 00:00 0                          [vvar]
7ff7f8020000-7ff7f8022000 r--p 00000000 00:00 0                          [vvar_vclock]
7ff7f8022000-7ff7f8024000 r-xp 00000000 00:00 0                          [vdso]
7ff7f8024000-7ff7f8025000 r--p 00000000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ff7f8025000-7ff7f804b000 r-xp 00001000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ff7f804b000-7ff7f8055000 r--p 00027000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ff7f8055000-7ff7f8057000 r--p 00031000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ff7f8057000-7ff7f8059000 rw-p 00033000 fe:00 9994858                    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffc2d36a000-7ffc2d38b000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
