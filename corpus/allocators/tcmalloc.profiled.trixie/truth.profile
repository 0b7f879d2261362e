heap profile:    944:  1037864 [  1744:  1163464] @ heapprofile
     1:      352 [     1:      352] @ 0x7f550d8dc456 0x7f550d915f63 0x7f550d91697e 0x7f550d55a4c2 0x7f550d8e676a 0x7f550d4f0ca8 0x7f550d4f0d65 0x7f550d8e637a
     1:      352 [     1:      352] @ 0x7f550d8dc456 0x7f550d915f63 0x7f550d91697e 0x7f550d55a4c2 0x7f550d8e674b 0x7f550d4f0ca8 0x7f550d4f0d65 0x7f550d8e637a
    80:     9560 [    80:     9560] @ 0x7f550d8dc3bd 0x7f550d8e6442 0x7f550d8e65b2 0x7f550d8e664f 0x7f550d5598bb 0x7f550d5d7538
   400:    63400 [  1200:   189000] @ 0x7f550d8dc3bd 0x7f550d8e6442 0x7f550d8e6494 0x7f550d8e664a 0x7f550d5598bb 0x7f550d5d7538
    60:     4800 [    60:     4800] @ 0x7f550d8dc3bd 0x7f550d8e6442 0x7f550d8e6616 0x7f550d8e6656 0x7f550d5598bb 0x7f550d5d7538
   400:   359400 [   400:   359400] @ 0x7f550d8dc5ea 0x7f550d8e64d1 0x7f550d8e664a 0x7f550d5598bb 0x7f550d5d7538
     2:   600000 [     2:   600000] @ 0x7f550d8dc3bd 0x7f550d8e6442 0x7f550d8e65d9 0x7f550d8e664f 0x7f550d5598bb 0x7f550d5d7538

MAPPED_LIBRARIES:
5555878e2000-5555882e2000 rw-p 00000000 00:00 0          [heap]
7f550bda0000-7f550bed0000 rw-p 00000000 00:00 0          
7f550bed0000-7f550bed1000 ---p 00000000 00:00 0          
7f550bed1000-7f550bf11000 rw-p 00000000 00:00 0          
7f550bf11000-7f550bf31000 rw-p 00000000 00:00 0          
7f550bf31000-7f550bf32000 ---p 00000000 00:00 0          
7f550bf32000-7f550bf72000 rw-p 00000000 00:00 0          
7f550bf72000-7f550c0e2000 rw-p 00000000 00:00 0          
7f550c0e2000-7f550d0e3000 rw-- 00000000 00:00 610030     /memfd:allocations (deleted)
7f550d0e3000-7f550d0e7000 r--p 00000000 00:00 10059973   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f550d0e7000-7f550d10a000 r-xp 00004000 00:00 10059973   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f550d10a000-7f550d10e000 r--p 00027000 00:00 10059973   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f550d10e000-7f550d10f000 r--p 0002b000 00:00 10059973   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f550d10f000-7f550d110000 rw-p 0002c000 00:00 10059973   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7f550d110000-7f550d121000 r--p 00000000 00:00 10062368   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libm.so.6
7f550d121000-7f550d19e000 r-xp 00011000 00:00 10062368   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libm.so.6
7f550d19e000-7f550d1fe000 r--p 0008e000 00:00 10062368   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libm.so.6
7f550d1fe000-7f550d1ff000 r--p 000ed000 00:00 10062368   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libm.so.6
7f550d1ff000-7f550d200000 rw-p 000ee000 00:00 10062368   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libm.so.6
7f550d200000-7f550d29d000 r--p 00000000 00:00 10059970   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33
7f550d29d000-7f550d3c6000 r-xp 0009d000 00:00 10059970   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33
7f550d3c6000-7f550d454000 r--p 001c6000 00:00 10059970   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33
7f550d454000-7f550d45f000 r--p 00254000 00:00 10059970   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33
7f550d45f000-7f550d462000 rw-p 0025f000 00:00 10059970   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.33
7f550d462000-7f550d466000 rw-p 00000000 00:00 0          
7f550d471000-7f550d487000 rw-p 00000000 00:00 0          
7f550d487000-7f550d48b000 r--p 00000000 00:00 326587     /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f550d48b000-7f550d4a8000 r-xp 00004000 00:00 326587     /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f550d4a8000-7f550d4b4000 r--p 00021000 00:00 326587     /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f550d4b4000-7f550d4b5000 r--p 0002d000 00:00 326587     /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f550d4b5000-7f550d4b6000 rw-p 0002e000 00:00 326587     /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f550d4b8000-7f550d4c0000 rw-p 00000000 00:00 0          
7f550d4c0000-7f550d4c2000 rw-p 00000000 00:00 0          
7f550d4c2000-7f550d4c3000 r--p 00000000 00:00 10062367   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libdl.so.2
7f550d4c3000-7f550d4c4000 r-xp 00001000 00:00 10062367   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libdl.so.2
7f550d4c4000-7f550d4c5000 r--p 00002000 00:00 10062367   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libdl.so.2
7f550d4c5000-7f550d4c6000 r--p 00002000 00:00 10062367   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libdl.so.2
7f550d4c6000-7f550d4c7000 rw-p 00003000 00:00 10062367   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libdl.so.2
7f550d4c7000-7f550d4ef000 r--p 00000000 00:00 10062365   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libc.so.6
7f550d4ef000-7f550d652000 r-xp 00028000 00:00 10062365   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libc.so.6
7f550d652000-7f550d6a8000 r--p 0018b000 00:00 10062365   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libc.so.6
7f550d6a8000-7f550d6ac000 r--p 001e0000 00:00 10062365   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libc.so.6
7f550d6ac000-7f550d6ae000 rw-p 001e4000 00:00 10062365   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libc.so.6
7f550d6ae000-7f550d6bd000 rw-p 00000000 00:00 0          
7f550d6bd000-7f550d6be000 r--p 00000000 00:00 10062377   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f550d6be000-7f550d6bf000 r-xp 00001000 00:00 10062377   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f550d6bf000-7f550d6c0000 r--p 00002000 00:00 10062377   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f550d6c0000-7f550d6c1000 r--p 00002000 00:00 10062377   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f550d6c1000-7f550d6c2000 rw-p 00003000 00:00 10062377   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/libpthread.so.0
7f550d6c2000-7f550d6d5000 r--p 00000000 00:00 10059901   /tmp/heapfx-glibc/trixie.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.18
7f550d6d5000-7f550d6fb000 r-xp 00013000 00:00 10059901   /tmp/heapfx-glibc/trixie.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.18
7f550d6fb000-7f550d709000 r--p 00039000 00:00 10059901   /tmp/heapfx-glibc/trixie.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.18
7f550d709000-7f550d70a000 r--p 00047000 00:00 10059901   /tmp/heapfx-glibc/trixie.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.18
7f550d70a000-7f550d70b000 rw-p 00048000 00:00 10059901   /tmp/heapfx-glibc/trixie.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.18
7f550d70b000-7f550d8be000 rw-p 00000000 00:00 0          
7f550d8be000-7f550d8c1000 r--p 00000000 00:00 10059944   /tmp/heapfx-glibc/trixie.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7f550d8c1000-7f550d8cc000 r-xp 00003000 00:00 10059944   /tmp/heapfx-glibc/trixie.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7f550d8cc000-7f550d8cf000 r--p 0000e000 00:00 10059944   /tmp/heapfx-glibc/trixie.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7f550d8cf000-7f550d8d0000 r--p 00010000 00:00 10059944   /tmp/heapfx-glibc/trixie.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7f550d8d0000-7f550d8d1000 rw-p 00011000 00:00 10059944   /tmp/heapfx-glibc/trixie.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7f550d8d1000-7f550d8db000 rw-p 00000000 00:00 0          
7f550d8db000-7f550d8dc000 r--p 00000000 00:00 10043825   /tmp/evd/pk/tcmalloc.profiled.trixie.recorder.so
7f550d8dc000-7f550d8dd000 r-xp 00001000 00:00 10043825   /tmp/evd/pk/tcmalloc.profiled.trixie.recorder.so
7f550d8dd000-7f550d8de000 r--p 00002000 00:00 10043825   /tmp/evd/pk/tcmalloc.profiled.trixie.recorder.so
7f550d8de000-7f550d8df000 r--p 00002000 00:00 10043825   /tmp/evd/pk/tcmalloc.profiled.trixie.recorder.so
7f550d8df000-7f550d8e0000 rw-p 00003000 00:00 10043825   /tmp/evd/pk/tcmalloc.profiled.trixie.recorder.so
7f550d8e0000-7f550d8e3000 rw-p 00000000 00:00 0          
7f550d8e3000-7f550d8e5000 r--p 00000000 00:00 10043842   /tmp/evd/pk/tcmalloc.profiled.trixie
7f550d8e5000-7f550d8e7000 r-xp 00002000 00:00 10043842   /tmp/evd/pk/tcmalloc.profiled.trixie
7f550d8e7000-7f550d8e8000 r--p 00004000 00:00 10043842   /tmp/evd/pk/tcmalloc.profiled.trixie
7f550d8e8000-7f550d8e9000 r--p 00004000 00:00 10043842   /tmp/evd/pk/tcmalloc.profiled.trixie
7f550d8e9000-7f550d8ea000 rw-p 00005000 00:00 10043842   /tmp/evd/pk/tcmalloc.profiled.trixie
7f550d8ea000-7f550d8fc000 rw-p 00000000 00:00 0          
7f550d8fc000-7f550d900000 r--p 00000000 00:00 0          [vvar]
7f550d900000-7f550d902000 r--p 00000000 00:00 0          [vvar_vclock]
7f550d902000-7f550d904000 r-xp 00000000 00:00 0          [vdso]
7f550d904000-7f550d905000 r--p 00000000 00:00 10062362   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f550d905000-7f550d92d000 r-xp 00001000 00:00 10062362   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f550d92d000-7f550d938000 r--p 00029000 00:00 10062362   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f550d938000-7f550d93a000 r--p 00034000 00:00 10062362   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f550d93a000-7f550d93b000 rw-p 00036000 00:00 10062362   /tmp/heapfx-glibc/trixie/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f550d93b000-7f550d93c000 rw-p 00000000 00:00 0          
7fff3ebd2000-7fff3ebf3000 rw-p 00000000 00:00 0          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]
