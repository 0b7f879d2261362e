heap profile:     30:   366421 [    30:   366421] @ heap_v2/4096
     1:    73728 [     1:    73728] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe55cb9b04 0x7efe565fefbe 0x7efe565ff08c 0x7efe56616d30
     1:      352 [     1:      352] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe5660b83f 0x7efe5660c27e 0x7efe56172ae0 0x7efe564dc94b 0x7efe564dcc31 0x7efe56106fba 0x7efe561070d7 0x7efe564dc26a
     1:      472 [     1:      472] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe564dc5c3 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     8192 [     1:     8192] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564d36f3 0x7efe564dc687 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:     1024 [     1:     1024] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564dc6da 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:    34925 [     1:    34925] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:     8192 [     1:     8192] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564d36f3 0x7efe564dc687 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:    26534 [     1:    26534] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:      804 [     1:      804] @ 0x7efe562ec212 0x7efe564d3591 0x7efe564dc631 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:     7480 [     1:     7480] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe564dc5c3 0x7efe564dc71a 0x7efe564dc818 0x7efe56171db8 0x7efe561eff98
     1:     1024 [     1:     1024] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564d36f3 0x7efe564dc687 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     2048 [     1:     2048] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564d36f3 0x7efe564dc687 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    31972 [     1:    31972] @ 0x7efe562ec212 0x7efe564d3591 0x7efe564dc631 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     4096 [     1:     4096] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564dc6da 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     4303 [     1:     4303] @ 0x7efe562ec212 0x7efe564d3591 0x7efe564dc631 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     3545 [     1:     3545] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:      396 [     1:      396] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe564dc5c3 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     5238 [     1:     5238] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     6853 [     1:     6853] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe564dc5c3 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:      149 [     1:      149] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    23840 [     1:    23840] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564dc6da 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     4714 [     1:     4714] @ 0x7efe562ec212 0x7efe564d3591 0x7efe564dc631 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    44862 [     1:    44862] @ 0x7efe562ebe72 0x7efe564d3412 0x7efe564dc5c3 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:     1024 [     1:     1024] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564dc6da 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    22565 [     1:    22565] @ 0x7efe562ec212 0x7efe564d3591 0x7efe564dc631 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    12671 [     1:    12671] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dc6ea 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:    32768 [     1:    32768] @ 0x7efe562eb7d7 0x7efe564d3670 0x7efe564d36f3 0x7efe564dc687 0x7efe564dc71a 0x7efe564dc773 0x7efe56171db8 0x7efe561eff98
     1:      264 [     1:      264] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dd133 0x7efe564dc7c7 0x7efe564dc837 0x7efe56171db8 0x7efe561eff98
     1:     1900 [     1:     1900] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dd133 0x7efe564dc7c7 0x7efe564dc837 0x7efe56171db8 0x7efe561eff98
     1:      486 [     1:      486] @ 0x7efe562eb7d7 0x7efe564d337c 0x7efe564dd133 0x7efe564dc7c7 0x7efe564dc837 0x7efe56171db8 0x7efe561eff98

MAPPED_LIBRARIES:
555582b7f000-555583780000 rw-p 00000000 00:00 0 [heap]
7efe54972000-7efe54a76000 rw-p 00000000 00:00 0 
7efe54a76000-7efe54bff000 rw-p 00000000 00:00 0 
7efe54bff000-7efe55c00000 rw-- 00000000 00:00 2502144 /memfd:allocations (deleted)
7efe55c00000-7efe55ca6000 r--p 00000000 00:00 9977949 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7efe55ca6000-7efe55e05000 r-xp 000a6000 00:00 9977949 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7efe55e05000-7efe55e99000 r--p 00205000 00:00 9977949 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7efe55e99000-7efe55ea8000 r--p 00298000 00:00 9977949 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7efe55ea8000-7efe55eab000 rw-p 002a7000 00:00 9977949 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7efe55eab000-7efe55eaf000 rw-p 00000000 00:00 0 
7efe55ed1000-7efe55f53000 rw-p 00000000 00:00 0 
7efe55f53000-7efe55f58000 rw-p 00000000 00:00 0 
7efe55f58000-7efe55f5c000 r--p 00000000 00:00 9982008 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7efe55f5c000-7efe55f80000 r-xp 00004000 00:00 9982008 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7efe55f80000-7efe55f84000 r--p 00028000 00:00 9982008 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7efe55f84000-7efe55f85000 r--p 0002b000 00:00 9982008 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7efe55f85000-7efe55f86000 rw-p 0002c000 00:00 9982008 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7efe55f86000-7efe55f98000 r--p 00000000 00:00 9982032 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7efe55f98000-7efe56027000 r-xp 00012000 00:00 9982032 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7efe56027000-7efe5609a000 r--p 000a1000 00:00 9982032 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7efe5609a000-7efe5609b000 r--p 00113000 00:00 9982032 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7efe5609b000-7efe5609c000 rw-p 00114000 00:00 9982032 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7efe5609c000-7efe560a0000 r--p 00000000 00:00 15630349 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7efe560a0000-7efe560bd000 r-xp 00004000 00:00 15630349 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7efe560bd000-7efe560c9000 r--p 00021000 00:00 15630349 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7efe560c9000-7efe560ca000 r--p 0002d000 00:00 15630349 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7efe560ca000-7efe560cb000 rw-p 0002e000 00:00 15630349 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7efe560d4000-7efe560d6000 rw-p 00000000 00:00 0 
7efe560d6000-7efe560d7000 r--p 00000000 00:00 9982031 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7efe560d7000-7efe560d8000 r-xp 00001000 00:00 9982031 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7efe560d8000-7efe560d9000 r--p 00002000 00:00 9982031 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7efe560d9000-7efe560da000 r--p 00002000 00:00 9982031 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7efe560da000-7efe560db000 rw-p 00003000 00:00 9982031 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7efe560db000-7efe560dd000 rw-p 00000000 00:00 0 
7efe560dd000-7efe56105000 r--p 00000000 00:00 9982029 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7efe56105000-7efe5626d000 r-xp 00028000 00:00 9982029 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7efe5626d000-7efe562c0000 r--p 00190000 00:00 9982029 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7efe562c0000-7efe562c4000 r--p 001e3000 00:00 9982029 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7efe562c4000-7efe562c6000 rw-p 001e7000 00:00 9982029 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7efe562c6000-7efe562d3000 rw-p 00000000 00:00 0 
7efe562d3000-7efe562d4000 r--p 00000000 00:00 9982041 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7efe562d4000-7efe562d5000 r-xp 00001000 00:00 9982041 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7efe562d5000-7efe562d6000 r--p 00002000 00:00 9982041 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7efe562d6000-7efe562d7000 r--p 00002000 00:00 9982041 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7efe562d7000-7efe562d8000 rw-p 00003000 00:00 9982041 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7efe562d8000-7efe562e7000 r--p 00000000 00:00 12419394 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7efe562e7000-7efe56300000 r-xp 0000f000 00:00 12419394 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7efe56300000-7efe5630a000 r--p 00028000 00:00 12419394 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7efe5630a000-7efe5630b000 r--p 00032000 00:00 12419394 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7efe5630b000-7efe5630c000 rw-p 00033000 00:00 12419394 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7efe5630c000-7efe564b7000 rw-p 00000000 00:00 0 
7efe564b7000-7efe564b9000 r--p 00000000 00:00 12419584 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7efe564b9000-7efe564c3000 r-xp 00002000 00:00 12419584 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7efe564c3000-7efe564c6000 r--p 0000c000 00:00 12419584 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7efe564c6000-7efe564c7000 r--p 0000e000 00:00 12419584 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7efe564c7000-7efe564c8000 rw-p 0000f000 00:00 12419584 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7efe564c8000-7efe564d2000 rw-p 00000000 00:00 0 
7efe564d2000-7efe564d3000 r--p 00000000 00:00 12239116 /tmp/tcm/ch/tcmalloc.sampled.sid.recorder.so
7efe564d3000-7efe564d4000 r-xp 00001000 00:00 12239116 /tmp/tcm/ch/tcmalloc.sampled.sid.recorder.so
7efe564d4000-7efe564d5000 r--p 00002000 00:00 12239116 /tmp/tcm/ch/tcmalloc.sampled.sid.recorder.so
7efe564d5000-7efe564d6000 r--p 00002000 00:00 12239116 /tmp/tcm/ch/tcmalloc.sampled.sid.recorder.so
7efe564d6000-7efe564d7000 rw-p 00003000 00:00 12239116 /tmp/tcm/ch/tcmalloc.sampled.sid.recorder.so
7efe564d7000-7efe564da000 rw-p 00000000 00:00 0 
7efe564da000-7efe564dc000 r--p 00000000 00:00 12239119 /tmp/tcm/ch/tcmalloc.sampled.sid
7efe564dc000-7efe564de000 r-xp 00002000 00:00 12239119 /tmp/tcm/ch/tcmalloc.sampled.sid
7efe564de000-7efe564df000 r--p 00004000 00:00 12239119 /tmp/tcm/ch/tcmalloc.sampled.sid
7efe564df000-7efe564e0000 r--p 00004000 00:00 12239119 /tmp/tcm/ch/tcmalloc.sampled.sid
7efe564e0000-7efe564e1000 rw-p 00005000 00:00 12239119 /tmp/tcm/ch/tcmalloc.sampled.sid
7efe564e1000-7efe565f1000 rw-p 00000000 00:00 0 
7efe565f1000-7efe565f5000 r--p 00000000 00:00 0 [vvar]
7efe565f5000-7efe565f7000 r--p 00000000 00:00 0 [vvar_vclock]
7efe565f7000-7efe565f9000 r-xp 00000000 00:00 0 [vdso]
7efe565f9000-7efe565fa000 r--p 00000000 00:00 9982026 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7efe565fa000-7efe56623000 r-xp 00001000 00:00 9982026 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7efe56623000-7efe5662e000 r--p 0002a000 00:00 9982026 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7efe5662e000-7efe56630000 r--p 00035000 00:00 9982026 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7efe56630000-7efe56631000 rw-p 00037000 00:00 9982026 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7efe56631000-7efe56632000 rw-p 00000000 00:00 0 
7fff5f081000-7fff5f0a2000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
