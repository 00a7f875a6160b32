# plumb_library(NAME SOURCES a.c ... DEPS lib ...): a static library of one folder.
# plumb_test(NAME SOURCE DEPS ...): a cmocka test program run by ctest; NAME is folder_module.
# plumb_postgres_test(NAME SOURCE DEPS ...): one that is given a PostgreSQL of its own, PLUMB_TEST_POSTGRES; without one it skips.
# plumb_program(NAME SOURCES ... DEPS ...): an executable.

function(plumb_flags target)
    target_compile_options(${target} PRIVATE
        $<$<COMPILE_LANGUAGE:C>:${PLUMB_C_FLAGS}> $<$<COMPILE_LANGUAGE:CXX>:${PLUMB_CXX_FLAGS}>
        ${PLUMB_COMMON_FLAGS})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_link_options(${target} PRIVATE ${PLUMB_LINK_FLAGS})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
endfunction()

function(plumb_library name)
    cmake_parse_arguments(L "" "" "SOURCES;DEPS" ${ARGN})
    add_library(plumb_${name} STATIC ${L_SOURCES})
    plumb_flags(plumb_${name})
    target_link_libraries(plumb_${name} PUBLIC ${L_DEPS})
endfunction()

function(plumb_program name)
    cmake_parse_arguments(P "" "" "SOURCES;DEPS" ${ARGN})
    add_executable(${name} ${P_SOURCES})
    plumb_flags(${name})
    target_link_libraries(${name} PRIVATE ${P_DEPS})
endfunction()

function(plumb_test name source)
    cmake_parse_arguments(T "" "" "DEPS" ${ARGN})
    plumb_program(${name}_test SOURCES ${source} DEPS ${T_DEPS} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${PLUMB_TEST_LAUNCHER} $<TARGET_FILE:${name}_test> WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
    # Far above what any takes, on a busy machine too; sanitizers are some ten times slower.
    set(seconds_max 300)
    if(PLUMB_SANITIZE)
        set(seconds_max 1500)
    endif()
    set_tests_properties(${name} PROPERTIES TIMEOUT ${seconds_max} ENVIRONMENT "CMOCKA_MESSAGE_OUTPUT=STDOUT")
endfunction()

function(plumb_postgres_test name source)
    set(PLUMB_TEST_LAUNCHER /usr/bin/python3 ${CMAKE_SOURCE_DIR}/tests/postgres/server.py)
    plumb_test(${name} ${source} ${ARGN})
endfunction()
