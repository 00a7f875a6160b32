# Compiler and linker flags, one list for every target of ours. Third-party headers come in as SYSTEM.

include(CheckPIESupported)
check_pie_supported()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(WARN_BOTH -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wcast-qual -Wcast-align
    -Wpointer-arith -Wwrite-strings -Wredundant-decls -Wundef -Wvla -Walloca -Wformat=2
    -Wdouble-promotion -Wfloat-equal -Wimplicit-fallthrough -Wnull-dereference -Wdate-time -Wunused-macros
    -Winit-self)
set(WARN_C -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wnested-externs -Wbad-function-cast
    -Wenum-conversion)
set(WARN_GCC -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wrestrict -Walloc-zero
    -Wformat-signedness -Wformat-overflow=2 -Wformat-truncation=2 -Warray-bounds=2 -Wshift-overflow=2
    -Wstringop-overflow=4 -Wuse-after-free=3 -Wtrampolines -Wcast-align=strict -Wbidi-chars=any)
set(WARN_CLANG -Wcomma -Wshorten-64-to-32 -Wconditional-uninitialized -Wmissing-variable-declarations
    -Wextra-semi-stmt -Wunreachable-code-aggressive -Wcast-function-type -Wloop-analysis -Wassign-enum
    -Wthread-safety -Wnewline-eof)

set(PLUMB_C_FLAGS ${WARN_BOTH} ${WARN_C})
set(PLUMB_CXX_FLAGS ${WARN_BOTH})
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND PLUMB_C_FLAGS ${WARN_GCC} -Wjump-misses-init)
else()
    list(APPEND PLUMB_C_FLAGS ${WARN_CLANG})
endif()

set(PLUMB_COMMON_FLAGS -fno-common -fvisibility=hidden -fno-omit-frame-pointer
    "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
set(PLUMB_LINK_FLAGS "")
if(PLUMB_SANITIZE)
    list(APPEND PLUMB_COMMON_FLAGS "-fsanitize=${PLUMB_SANITIZE}")
    list(APPEND PLUMB_LINK_FLAGS "-fsanitize=${PLUMB_SANITIZE}")
    if(NOT PLUMB_SANITIZE MATCHES "thread")
        list(APPEND PLUMB_COMMON_FLAGS -fno-sanitize-recover=all)
    endif()
elseif(NOT PLUMB_COVERAGE)
    list(APPEND PLUMB_COMMON_FLAGS -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
    if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        list(APPEND PLUMB_COMMON_FLAGS -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
    endif()
    list(APPEND PLUMB_LINK_FLAGS -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--as-needed)
endif()
if(PLUMB_COVERAGE)
    list(APPEND PLUMB_COMMON_FLAGS --coverage)
    list(APPEND PLUMB_LINK_FLAGS --coverage)
endif()
