heap profile:    945:  2086408 [  1745:  2212008] @ heapprofile
     1:  1048576 [     1:  1048576] @ 0x7f7338aa63bd 0x7f73388311d0 0x7f7338ab0683 0x7f7338ab0799 0x7f733864524a 0x7f7338645305 0x7f7338ab037a
     2:   600000 [     2:   600000] @ 0x7f7338aa63bd 0x7f7338ab0442 0x7f7338ab05d9 0x7f7338ab064f 0x7f73386a71f5 0x7f73387278ec
   400:   359400 [   400:   359400] @ 0x7f7338aa65ea 0x7f7338ab04d1 0x7f7338ab064a 0x7f73386a71f5 0x7f73387278ec
   400:    63400 [  1200:   189000] @ 0x7f7338aa63bd 0x7f7338ab0442 0x7f7338ab0494 0x7f7338ab064a 0x7f73386a71f5 0x7f73387278ec
    80:     9560 [    80:     9560] @ 0x7f7338aa63bd 0x7f7338ab0442 0x7f7338ab05b2 0x7f7338ab064f 0x7f73386a71f5 0x7f73387278ec
    60:     4800 [    60:     4800] @ 0x7f7338aa63bd 0x7f7338ab0442 0x7f7338ab0616 0x7f7338ab0656 0x7f73386a71f5 0x7f73387278ec
     1:      336 [     1:      336] @ 0x7f7338aa6456 0x7f7338adecb3 0x7f7338adf71e 0x7f73386a7daf 0x7f7338ab074b 0x7f733864524a 0x7f7338645305 0x7f7338ab037a
     1:      336 [     1:      336] @ 0x7f7338aa6456 0x7f7338adecb3 0x7f7338adf71e 0x7f73386a7daf 0x7f7338ab076a 0x7f733864524a 0x7f7338645305 0x7f7338ab037a

MAPPED_LIBRARIES:
55559334d000-555593e4e000 rw-p 00000000 00:00 0           [heap]
7f7336fed000-7f733700d000 rw-p 00000000 00:00 0           
7f733700d000-7f733700e000 ---p 00000000 00:00 0           
7f733700e000-7f733704e000 rw-p 00000000 00:00 0           
7f733704e000-7f733706e000 rw-p 00000000 00:00 0           
7f733706e000-7f733706f000 ---p 00000000 00:00 0           
7f733706f000-7f73370af000 rw-p 00000000 00:00 0           
7f73370af000-7f733731f000 rw-p 00000000 00:00 0           
7f733731f000-7f7338320000 rw-- 00000000 00:00 610029      /memfd:allocations (deleted)
7f7338320000-7f7338330000 r--p 00000000 00:00 10061909    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f7338330000-7f73383a4000 r-xp 00010000 00:00 10061909    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f73383a4000-7f73383fe000 r--p 00084000 00:00 10061909    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f73383fe000-7f73383ff000 r--p 000dd000 00:00 10061909    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f73383ff000-7f7338400000 rw-p 000de000 00:00 10061909    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libm.so.6
7f7338400000-7f7338499000 r--p 00000000 00:00 10061894    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f7338499000-7f733859a000 r-xp 00099000 00:00 10061894    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f733859a000-7f7338609000 r--p 0019a000 00:00 10061894    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f7338609000-7f7338614000 r--p 00209000 00:00 10061894    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f7338614000-7f7338617000 rw-p 00214000 00:00 10061894    /tmp/heapfx-glibc/bookworm/usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30
7f7338617000-7f733861a000 rw-p 00000000 00:00 0           
7f733861e000-7f7338644000 r--p 00000000 00:00 10061906    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f7338644000-7f733879a000 r-xp 00026000 00:00 10061906    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f733879a000-7f73387ed000 r--p 0017c000 00:00 10061906    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f73387ed000-7f73387f1000 r--p 001cf000 00:00 10061906    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f73387f1000-7f73387f3000 rw-p 001d3000 00:00 10061906    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libc.so.6
7f73387f3000-7f7338800000 rw-p 00000000 00:00 0           
7f7338800000-7f7338815000 r--p 00000000 00:00 10059806    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f7338815000-7f733883b000 r-xp 00015000 00:00 10059806    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f733883b000-7f733884b000 r--p 0003b000 00:00 10059806    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f733884b000-7f733884c000 r--p 0004a000 00:00 10059806    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f733884c000-7f733884e000 rw-p 0004b000 00:00 10059806    /tmp/heapfx-glibc/bookworm.packages/libgoogle-perftools4/usr/lib/x86_64-linux-gnu/libtcmalloc.so.4.5.10
7f733884e000-7f7338a04000 rw-p 00000000 00:00 0           
7f7338a0c000-7f7338a20000 rw-p 00000000 00:00 0           
7f7338a20000-7f7338a23000 r--p 00000000 00:00 10061897    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f7338a23000-7f7338a3a000 r-xp 00003000 00:00 10061897    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f7338a3a000-7f7338a3e000 r--p 0001a000 00:00 10061897    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f7338a3e000-7f7338a3f000 r--p 0001d000 00:00 10061897    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f7338a3f000-7f7338a40000 rw-p 0001e000 00:00 10061897    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libgcc_s.so.1
7f7338a40000-7f7338a42000 rw-p 00000000 00:00 0           
7f7338a42000-7f7338a46000 r--p 00000000 00:00 326587      /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f7338a46000-7f7338a63000 r-xp 00004000 00:00 326587      /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f7338a63000-7f7338a6f000 r--p 00021000 00:00 326587      /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f7338a6f000-7f7338a70000 r--p 0002d000 00:00 326587      /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f7338a70000-7f7338a71000 rw-p 0002e000 00:00 326587      /usr/lib/x86_64-linux-gnu/liblzma.so.5.4.1
7f7338a73000-7f7338a7b000 rw-p 00000000 00:00 0           
7f7338a7b000-7f7338a7d000 rw-p 00000000 00:00 0           
7f7338a7d000-7f7338a7e000 r--p 00000000 00:00 10061908    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f7338a7e000-7f7338a7f000 r-xp 00001000 00:00 10061908    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f7338a7f000-7f7338a80000 r--p 00002000 00:00 10061908    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f7338a80000-7f7338a81000 r--p 00002000 00:00 10061908    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f7338a81000-7f7338a82000 rw-p 00003000 00:00 10061908    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libdl.so.2
7f7338a82000-7f7338a84000 rw-p 00000000 00:00 0           
7f7338a84000-7f7338a85000 r--p 00000000 00:00 10061918    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f7338a85000-7f7338a86000 r-xp 00001000 00:00 10061918    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f7338a86000-7f7338a87000 r--p 00002000 00:00 10061918    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f7338a87000-7f7338a88000 r--p 00002000 00:00 10061918    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f7338a88000-7f7338a89000 rw-p 00003000 00:00 10061918    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/libpthread.so.0
7f7338a89000-7f7338a8c000 r--p 00000000 00:00 10059834    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f7338a8c000-7f7338a96000 r-xp 00003000 00:00 10059834    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f7338a96000-7f7338a99000 r--p 0000d000 00:00 10059834    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f7338a99000-7f7338a9a000 r--p 0000f000 00:00 10059834    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f7338a9a000-7f7338a9b000 rw-p 00010000 00:00 10059834    /tmp/heapfx-glibc/bookworm.packages/libunwind8/usr/lib/x86_64-linux-gnu/libunwind.so.8.0.1
7f7338a9b000-7f7338aa5000 rw-p 00000000 00:00 0           
7f7338aa5000-7f7338aa6000 r--p 00000000 00:00 10043713    /tmp/evd/pk/tcmalloc.profiled.bookworm.recorder.so
7f7338aa6000-7f7338aa7000 r-xp 00001000 00:00 10043713    /tmp/evd/pk/tcmalloc.profiled.bookworm.recorder.so
7f7338aa7000-7f7338aa8000 r--p 00002000 00:00 10043713    /tmp/evd/pk/tcmalloc.profiled.bookworm.recorder.so
7f7338aa8000-7f7338aa9000 r--p 00002000 00:00 10043713    /tmp/evd/pk/tcmalloc.profiled.bookworm.recorder.so
7f7338aa9000-7f7338aaa000 rw-p 00003000 00:00 10043713    /tmp/evd/pk/tcmalloc.profiled.bookworm.recorder.so
7f7338aaa000-7f7338aad000 rw-p 00000000 00:00 0           
7f7338aad000-7f7338aaf000 r--p 00000000 00:00 10043748    /tmp/evd/pk/tcmalloc.profiled.bookworm
7f7338aaf000-7f7338ab1000 r-xp 00002000 00:00 10043748    /tmp/evd/pk/tcmalloc.profiled.bookworm
7f7338ab1000-7f7338ab2000 r--p 00004000 00:00 10043748    /tmp/evd/pk/tcmalloc.profiled.bookworm
7f7338ab2000-7f7338ab3000 r--p 00004000 00:00 10043748    /tmp/evd/pk/tcmalloc.profiled.bookworm
7f7338ab3000-7f7338ab4000 rw-p 00005000 00:00 10043748    /tmp/evd/pk/tcmalloc.profiled.bookworm
7f7338ab4000-7f7338ac6000 rw-p 00000000 00:00 0           
7f7338ac6000-7f7338aca000 r--p 00000000 00:00 0           [vvar]
7f7338aca000-7f7338acc000 r--p 00000000 00:00 0           [vvar_vclock]
7f7338acc000-7f7338ace000 r-xp 00000000 00:00 0           [vdso]
7f7338ace000-7f7338acf000 r--p 00000000 00:00 10061903    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f7338acf000-7f7338af5000 r-xp 00001000 00:00 10061903    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f7338af5000-7f7338aff000 r--p 00027000 00:00 10061903    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f7338aff000-7f7338b01000 r--p 00031000 00:00 10061903    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7f7338b01000-7f7338b03000 rw-p 00033000 00:00 10061903    /tmp/heapfx-glibc/bookworm/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2
7ffce69e9000-7ffce6a0a000 rw-p 00000000 00:00 0           [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0           [vsyscall]
