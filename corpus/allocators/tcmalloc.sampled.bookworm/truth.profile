heap profile:     28:   221234 [    28:   221234] @ heap_v2/4096
     1:      190 [     1:      190] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:      192 [     1:      192] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:    26534 [     1:    26534] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:      429 [     1:      429] @ 0x7f19650384f0 0x7f19652e4412 0x7f19652ed5c3 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:    29364 [     1:    29364] @ 0x7f19650384f0 0x7f19652e4412 0x7f19652ed5c3 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:     6944 [     1:     6944] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652ed6da 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:     8192 [     1:     8192] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652e46f3 0x7f19652ed687 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:     8192 [     1:     8192] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652e46f3 0x7f19652ed687 0x7f19652ed71a 0x7f19652ed818 0x7f1964ea71f5 0x7f1964f278ec
     1:     4096 [     1:     4096] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652e46f3 0x7f19652ed687 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:    15360 [     1:    15360] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652ed6da 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     4303 [     1:     4303] @ 0x7f19650389f1 0x7f19652e4591 0x7f19652ed631 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:    14191 [     1:    14191] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:      240 [     1:      240] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     5238 [     1:     5238] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     6853 [     1:     6853] @ 0x7f19650384f0 0x7f19652e4412 0x7f19652ed5c3 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     2048 [     1:     2048] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652ed6da 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:      187 [     1:      187] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     2684 [     1:     2684] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:      389 [     1:      389] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     4082 [     1:     4082] @ 0x7f19650384f0 0x7f19652e4412 0x7f19652ed5c3 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     8192 [     1:     8192] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652e46f3 0x7f19652ed687 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:      197 [     1:      197] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     1869 [     1:     1869] @ 0x7f19650384f0 0x7f19652e4412 0x7f19652ed5c3 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:    22565 [     1:    22565] @ 0x7f19650389f1 0x7f19652e4591 0x7f19652ed631 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:    12671 [     1:    12671] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:      348 [     1:      348] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ed6ea 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:    32768 [     1:    32768] @ 0x7f1965039a70 0x7f19652e4670 0x7f19652e46f3 0x7f19652ed687 0x7f19652ed71a 0x7f19652ed773 0x7f1964ea71f5 0x7f1964f278ec
     1:     2916 [     1:     2916] @ 0x7f1965039a70 0x7f19652e437c 0x7f19652ee133 0x7f19652ed7a9 0x7f19652ed837 0x7f1964ea71f5 0x7f1964f278ec

MAPPED_LIBRARIES:
55557c10f000-55557cc10000 rw-p 00000000 00:00 0           [heap]
7f1963851000-7f1963852000 ---p 00000000 00:00 0           
7f1963852000-7f1963892000 rw-p 00000000 00:00 0           
7f1963892000-7f1963893000 ---p 00000000 00:00 0           
7f1963893000-7f19638d3000 rw-p 00000000 00:00 0           
7f19638d3000-7f19638d4000 ---p 00000000 00:00 0           
7f19638d4000-7f1963914000 rw-p 00000000 00:00 0           
7f1963914000-7f1963915000 ---p 00000000 00:00 0           
7f1963915000-7f1963955000 rw-p 00000000 00:00 0           
7f1963955000-7f1963956000 ---p 00000000 00:00 0           
7f1963956000-7f1963996000 rw-p 00000000 00:00 0           
7f1963996000-7f1963b1f000 rw-p 00000000 00:00 0           
7f1963b1f000-7f1964b20000 rw-- 00000000 00:00 2468559     /memfd:allocations (deleted)
7f1964b20000-7f1964b30000 r--p 00000000 00:00 9994864     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f1964b30000-7f1964ba4000 r-xp 00010000 00:00 9994864     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f1964ba4000-7f1964bfe000 r--p 00084000 00:00 9994864     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f1964bfe000-7f1964bff000 r--p 000dd000 00:00 9994864     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f1964bff000-7f1964c00000 rw-p 000de000 00:00 9994864     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f1964c00000-7f1964c99000 r--p 00000000 00:00 9994849     /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1964c99000-7f1964d9a000 r-xp 00099000 00:00 9994849     /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1964d9a000-7f1964e09000 r--p 0019a000 00:00 9994849     /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1964e09000-7f1964e14000 r--p 00209000 00:00 9994849     /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1964e14000-7f1964e17000 rw-p 00214000 00:00 9994849     /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f1964e17000-7f1964e1a000 rw-p 00000000 00:00 0           
7f1964e1e000-7f1964e44000 r--p 00000000 00:00 9994861     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f1964e44000-7f1964f9a000 r-xp 00026000 00:00 9994861     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f1964f9a000-7f1964fed000 r--p 0017c000 00:00 9994861     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f1964fed000-7f1964ff1000 r--p 001cf000 00:00 9994861     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f1964ff1000-7f1964ff3000 rw-p 001d3000 00:00 9994861     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f1964ff3000-7f1965000000 rw-p 00000000 00:00 0           
7f1965000000-7f1965015000 r--p 00000000 00:00 11889195    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f1965015000-7f196503b000 r-xp 00015000 00:00 11889195    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f196503b000-7f196504b000 r--p 0003b000 00:00 11889195    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f196504b000-7f196504c000 r--p 0004a000 00:00 11889195    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f196504c000-7f196504e000 rw-p 0004b000 00:00 11889195    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f196504e000-7f1965204000 rw-p 00000000 00:00 0           
7f196521a000-7f196521b000 ---p 00000000 00:00 0           
7f196521b000-7f196525b000 rw-p 00000000 00:00 0           
7f196525b000-7f196525f000 rw-p 00000000 00:00 0           
7f196525f000-7f1965262000 r--p 00000000 00:00 9994852     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f1965262000-7f1965279000 r-xp 00003000 00:00 9994852     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f1965279000-7f196527d000 r--p 0001a000 00:00 9994852     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f196527d000-7f196527e000 r--p 0001d000 00:00 9994852     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f196527e000-7f196527f000 rw-p 0001e000 00:00 9994852     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f196527f000-7f1965281000 rw-p 00000000 00:00 0           
7f1965281000-7f1965285000 r--p 00000000 00:00 15630349    /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f1965285000-7f19652a2000 r-xp 00004000 00:00 15630349    /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f19652a2000-7f19652ae000 r--p 00021000 00:00 15630349    /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f19652ae000-7f19652af000 r--p 0002d000 00:00 15630349    /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f19652af000-7f19652b0000 rw-p 0002e000 00:00 15630349    /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f19652b9000-7f19652bb000 rw-p 00000000 00:00 0           
7f19652bb000-7f19652bc000 r--p 00000000 00:00 9994863     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f19652bc000-7f19652bd000 r-xp 00001000 00:00 9994863     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f19652bd000-7f19652be000 r--p 00002000 00:00 9994863     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f19652be000-7f19652bf000 r--p 00002000 00:00 9994863     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f19652bf000-7f19652c0000 rw-p 00003000 00:00 9994863     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f19652c0000-7f19652c2000 rw-p 00000000 00:00 0           
7f19652c2000-7f19652c3000 r--p 00000000 00:00 9994873     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f19652c3000-7f19652c4000 r-xp 00001000 00:00 9994873     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f19652c4000-7f19652c5000 r--p 00002000 00:00 9994873     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f19652c5000-7f19652c6000 r--p 00002000 00:00 9994873     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f19652c6000-7f19652c7000 rw-p 00003000 00:00 9994873     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f19652c7000-7f19652ca000 r--p 00000000 00:00 12435844    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f19652ca000-7f19652d4000 r-xp 00003000 00:00 12435844    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f19652d4000-7f19652d7000 r--p 0000d000 00:00 12435844    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f19652d7000-7f19652d8000 r--p 0000f000 00:00 12435844    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f19652d8000-7f19652d9000 rw-p 00010000 00:00 12435844    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f19652d9000-7f19652e3000 rw-p 00000000 00:00 0           
7f19652e3000-7f19652e4000 r--p 00000000 00:00 12239004    /tmp/tcm/ch/tcmalloc.sampled.bookworm.recorder.so
7f19652e4000-7f19652e5000 r-xp 00001000 00:00 12239004    /tmp/tcm/ch/tcmalloc.sampled.bookworm.recorder.so
7f19652e5000-7f19652e6000 r--p 00002000 00:00 12239004    /tmp/tcm/ch/tcmalloc.sampled.bookworm.recorder.so
7f19652e6000-7f19652e7000 r--p 00002000 00:00 12239004    /tmp/tcm/ch/tcmalloc.sampled.bookworm.recorder.so
7f19652e7000-7f19652e8000 rw-p 00003000 00:00 12239004    /tmp/tcm/ch/tcmalloc.sampled.bookworm.recorder.so
7f19652e8000-7f19652eb000 rw-p 00000000 00:00 0           
7f19652eb000-7f19652ed000 r--p 00000000 00:00 12239023    /tmp/tcm/ch/tcmalloc.sampled.bookworm
7f19652ed000-7f19652ef000 r-xp 00002000 00:00 12239023    /tmp/tcm/ch/tcmalloc.sampled.bookworm
7f19652ef000-7f19652f0000 r--p 00004000 00:00 12239023    /tmp/tcm/ch/tcmalloc.sampled.bookworm
7f19652f0000-7f19652f1000 r--p 00004000 00:00 12239023    /tmp/tcm/ch/tcmalloc.sampled.bookworm
7f19652f1000-7f19652f2000 rw-p 00005000 00:00 12239023    /tmp/tcm/ch/tcmalloc.sampled.bookworm
7f19652f2000-7f1965402000 rw-p 00000000 00:00 0           
7f1965402000-7f1965406000 r--p 00000000 00:00 0           [vvar]
7f1965406000-7f1965408000 r--p 00000000 00:00 0           [vvar_vclock]
7f1965408000-7f196540a000 r-xp 00000000 00:00 0           [vdso]
7f196540a000-7f196540b000 r--p 00000000 00:00 9994858     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f196540b000-7f1965431000 r-xp 00001000 00:00 9994858     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f1965431000-7f196543b000 r--p 00027000 00:00 9994858     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f196543b000-7f196543d000 r--p 00031000 00:00 9994858     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f196543d000-7f196543f000 rw-p 00033000 00:00 9994858     /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffd27f4e000-7ffd27f6f000 rw-p 00000000 00:00 0           [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0           [vsyscall]
