heap profile:    944:  1037864 [  1744:  1163464] @ heapprofile
     1:      352 [     1:      352] @ 0x7fd2e84b70b8 0x7fd2e84abee4 0x7fd2e8693456 0x7fd2e86cd83f 0x7fd2e86ce27e 0x7fd2e8332ae0 0x7fd2e869d76a 0x7fd2e82c6fba 0x7fd2e82c70d7 0x7fd2e869d37a
   400:    63400 [  1200:   189000] @ 0x7fd2e84b70b8 0x7fd2e84ab7fd 0x7fd2e86933bd 0x7fd2e869d442 0x7fd2e869d494 0x7fd2e869d64a 0x7fd2e8331db8 0x7fd2e83aff98
   400:   359400 [   400:   359400] @ 0x7fd2e84b70b8 0x7fd2e84ac51b 0x7fd2e86935ea 0x7fd2e869d4d1 0x7fd2e869d64a 0x7fd2e8331db8 0x7fd2e83aff98
    60:     4800 [    60:     4800] @ 0x7fd2e84b70b8 0x7fd2e84ab7fd 0x7fd2e86933bd 0x7fd2e869d442 0x7fd2e869d616 0x7fd2e869d656 0x7fd2e8331db8 0x7fd2e83aff98
     1:      352 [     1:      352] @ 0x7fd2e84b70b8 0x7fd2e84abee4 0x7fd2e8693456 0x7fd2e86cd83f 0x7fd2e86ce27e 0x7fd2e8332ae0 0x7fd2e869d74b 0x7fd2e82c6fba 0x7fd2e82c70d7 0x7fd2e869d37a
    80:     9560 [    80:     9560] @ 0x7fd2e84b70b8 0x7fd2e84ab7fd 0x7fd2e86933bd 0x7fd2e869d442 0x7fd2e869d5b2 0x7fd2e869d64f 0x7fd2e8331db8 0x7fd2e83aff98
     2:   600000 [     2:   600000] @ 0x7fd2e84b70b8 0x7fd2e84ab7fd 0x7fd2e86933bd 0x7fd2e869d442 0x7fd2e869d5d9 0x7fd2e869d64f 0x7fd2e8331db8 0x7fd2e83aff98

MAPPED_LIBRARIES:
555582d1b000-55558371c000 rw-p 00000000 00:00 0 [heap]
7fd2e6600000-7fd2e6a00000 rw-p 00000000 00:00 0 
7fd2e6bbe000-7fd2e6bff000 rw-p 00000000 00:00 0 
7fd2e6bff000-7fd2e6dff000 rw-p 00000000 00:00 0 
7fd2e6dff000-7fd2e7e00000 rw-- 00000000 00:00 610031 /memfd:allocations (deleted)
7fd2e7e00000-7fd2e7ea6000 r--p 00000000 00:00 10068203 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fd2e7ea6000-7fd2e8005000 r-xp 000a6000 00:00 10068203 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fd2e8005000-7fd2e8099000 r--p 00205000 00:00 10068203 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fd2e8099000-7fd2e80a8000 r--p 00298000 00:00 10068203 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fd2e80a8000-7fd2e80ab000 rw-p 002a7000 00:00 10068203 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.36
7fd2e80ab000-7fd2e80af000 rw-p 00000000 00:00 0 
7fd2e80d1000-7fd2e8112000 rw-p 00000000 00:00 0 
7fd2e8112000-7fd2e8117000 rw-p 00000000 00:00 0 
7fd2e8117000-7fd2e811b000 r--p 00000000 00:00 10068476 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fd2e811b000-7fd2e813f000 r-xp 00004000 00:00 10068476 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fd2e813f000-7fd2e8143000 r--p 00028000 00:00 10068476 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fd2e8143000-7fd2e8144000 r--p 0002b000 00:00 10068476 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fd2e8144000-7fd2e8145000 rw-p 0002c000 00:00 10068476 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libgcc_s.so.1
7fd2e8145000-7fd2e8157000 r--p 00000000 00:00 10068505 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fd2e8157000-7fd2e81e6000 r-xp 00012000 00:00 10068505 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fd2e81e6000-7fd2e8259000 r--p 000a1000 00:00 10068505 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fd2e8259000-7fd2e825a000 r--p 00113000 00:00 10068505 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fd2e825a000-7fd2e825b000 rw-p 00114000 00:00 10068505 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libm.so.6
7fd2e825b000-7fd2e825f000 r--p 00000000 00:00 326587 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7fd2e825f000-7fd2e827c000 r-xp 00004000 00:00 326587 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7fd2e827c000-7fd2e8288000 r--p 00021000 00:00 326587 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7fd2e8288000-7fd2e8289000 r--p 0002d000 00:00 326587 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7fd2e8289000-7fd2e828a000 rw-p 0002e000 00:00 326587 /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7fd2e828b000-7fd2e8293000 rw-p 00000000 00:00 0 
7fd2e8293000-7fd2e8296000 rw-p 00000000 00:00 0 
7fd2e8296000-7fd2e8297000 r--p 00000000 00:00 10068504 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fd2e8297000-7fd2e8298000 r-xp 00001000 00:00 10068504 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fd2e8298000-7fd2e8299000 r--p 00002000 00:00 10068504 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fd2e8299000-7fd2e829a000 r--p 00002000 00:00 10068504 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fd2e829a000-7fd2e829b000 rw-p 00003000 00:00 10068504 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libdl.so.2
7fd2e829b000-7fd2e829d000 rw-p 00000000 00:00 0 
7fd2e829d000-7fd2e82c5000 r--p 00000000 00:00 10068499 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fd2e82c5000-7fd2e842d000 r-xp 00028000 00:00 10068499 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fd2e842d000-7fd2e8480000 r--p 00190000 00:00 10068499 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fd2e8480000-7fd2e8484000 r--p 001e3000 00:00 10068499 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fd2e8484000-7fd2e8486000 rw-p 001e7000 00:00 10068499 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libc.so.6
7fd2e8486000-7fd2e8493000 rw-p 00000000 00:00 0 
7fd2e8493000-7fd2e8494000 r--p 00000000 00:00 10068515 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fd2e8494000-7fd2e8495000 r-xp 00001000 00:00 10068515 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fd2e8495000-7fd2e8496000 r--p 00002000 00:00 10068515 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fd2e8496000-7fd2e8497000 r--p 00002000 00:00 10068515 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fd2e8497000-7fd2e8498000 rw-p 00003000 00:00 10068515 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/libpthread.so.0
7fd2e8498000-7fd2e84a7000 r--p 00000000 00:00 10068406 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7fd2e84a7000-7fd2e84c0000 r-xp 0000f000 00:00 10068406 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7fd2e84c0000-7fd2e84ca000 r--p 00028000 00:00 10068406 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7fd2e84ca000-7fd2e84cb000 r--p 00032000 00:00 10068406 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7fd2e84cb000-7fd2e84cc000 rw-p 00033000 00:00 10068406 /tmp/heapfx-glibc/sid.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.6.5
7fd2e84cc000-7fd2e8677000 rw-p 00000000 00:00 0 
7fd2e8677000-7fd2e8679000 r--p 00000000 00:00 10068454 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7fd2e8679000-7fd2e8683000 r-xp 00002000 00:00 10068454 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7fd2e8683000-7fd2e8686000 r--p 0000c000 00:00 10068454 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7fd2e8686000-7fd2e8687000 r--p 0000e000 00:00 10068454 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7fd2e8687000-7fd2e8688000 rw-p 0000f000 00:00 10068454 /tmp/heapfx-glibc/sid.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.1.0
7fd2e8688000-7fd2e8692000 rw-p 00000000 00:00 0 
7fd2e8692000-7fd2e8693000 r--p 00000000 00:00 10043907 /tmp/evd/pk/tcmalloc.profiled.sid.recorder.so
7fd2e8693000-7fd2e8694000 r-xp 00001000 00:00 10043907 /tmp/evd/pk/tcmalloc.profiled.sid.recorder.so
7fd2e8694000-7fd2e8695000 r--p 00002000 00:00 10043907 /tmp/evd/pk/tcmalloc.profiled.sid.recorder.so
7fd2e8695000-7fd2e8696000 r--p 00002000 00:00 10043907 /tmp/evd/pk/tcmalloc.profiled.sid.recorder.so
7fd2e8696000-7fd2e8697000 rw-p 00003000 00:00 10043907 /tmp/evd/pk/tcmalloc.profiled.sid.recorder.so
7fd2e8697000-7fd2e869a000 rw-p 00000000 00:00 0 
7fd2e869a000-7fd2e869c000 r--p 00000000 00:00 10043925 /tmp/evd/pk/tcmalloc.profiled.sid
7fd2e869c000-7fd2e869e000 r-xp 00002000 00:00 10043925 /tmp/evd/pk/tcmalloc.profiled.sid
7fd2e869e000-7fd2e869f000 r--p 00004000 00:00 10043925 /tmp/evd/pk/tcmalloc.profiled.sid
7fd2e869f000-7fd2e86a0000 r--p 00004000 00:00 10043925 /tmp/evd/pk/tcmalloc.profiled.sid
7fd2e86a0000-7fd2e86a1000 rw-p 00005000 00:00 10043925 /tmp/evd/pk/tcmalloc.profiled.sid
7fd2e86a1000-7fd2e86b3000 rw-p 00000000 00:00 0 
7fd2e86b3000-7fd2e86b7000 r--p 00000000 00:00 0 [vvar]
7fd2e86b7000-7fd2e86b9000 r--p 00000000 00:00 0 [vvar_vclock]
7fd2e86b9000-7fd2e86bb000 r-xp 00000000 00:00 0 [vdso]
7fd2e86bb000-7fd2e86bc000 r--p 00000000 00:00 10068494 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fd2e86bc000-7fd2e86e5000 r-xp 00001000 00:00 10068494 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fd2e86e5000-7fd2e86f0000 r--p 0002a000 00:00 10068494 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fd2e86f0000-7fd2e86f2000 r--p 00035000 00:00 10068494 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fd2e86f2000-7fd2e86f3000 rw-p 00037000 00:00 10068494 /tmp/heapfx-glibc/sid/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7fd2e86f3000-7fd2e86f4000 rw-p 00000000 00:00 0 
7ffc8375d000-7ffc8377e000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
