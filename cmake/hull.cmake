# hull_sanitizer_options(TARGET LEAKS REPORTS): compiles the sanitizers' options into a program. LEAKS is 0 or 1;
# REPORTS is where findings are written: a path that gets ".PROGRAM.PID" appended, or stderr.
set(HULL_REPORTS ${CMAKE_BINARY_DIR}/reports)
function(hull_sanitizer_options target leaks reports)
  if(HULL_SANITIZE AND NOT HULL_FUZZ)
    file(MAKE_DIRECTORY ${HULL_REPORTS})
    add_library(${target}_options OBJECT ${CMAKE_SOURCE_DIR}/cmake/sanitizer_options.cc)
    # The run-time library asks for them before anything is initialised.
    target_compile_options(${target}_options PRIVATE -fno-sanitize=all)
    target_compile_definitions(${target}_options PRIVATE HULL_LEAKS="${leaks}" HULL_REPORTS="${reports}")
    target_link_libraries(${target} PRIVATE ${target}_options)
  endif()
endfunction()

# hull_library(NAME DEPS...): one folder = one static library hull_NAME of its *.cc (tests apart), plus one
# gtest program hull_NAME_test of its *_test.cc, known to ctest.
function(hull_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return() # headers only: nothing to build yet
  endif()
  add_library(hull_${name} STATIC ${sources})
  target_link_libraries(hull_${name} PUBLIC ${ARGN})
  if(tests AND BUILD_TESTING)
    add_executable(hull_${name}_test ${tests})
    target_link_libraries(hull_${name}_test PRIVATE hull_${name} gtest_main gtest pthread)
    # Optimising the macros of a test takes as long as the rest of it, and nobody waits for what they do.
    target_compile_options(hull_${name}_test PRIVATE $<$<CONFIG:Release>:-O0>)
    set_target_properties(hull_${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    hull_sanitizer_options(hull_${name}_test 1 ${HULL_REPORTS}/report)
    add_test(NAME ${name} COMMAND hull_${name}_test)
  endif()
endfunction()

# hull_program(NAME SOURCE DEPS...): one program in bin/, static unless a sanitizer is on or DYNAMIC is given.
# FREESTANDING runs in a container without any of our libraries: always static, never with a sanitizer.
# LEAKS looks for leaks when it ends; SANDBOXED cannot open a report file and writes findings to stderr.
function(hull_program name source)
  cmake_parse_arguments(arg "DYNAMIC;FREESTANDING;LEAKS;SANDBOXED" "" "" ${ARGN})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE ${arg_UNPARSED_ARGUMENTS})
  if(arg_FREESTANDING)
    target_compile_options(${name} PRIVATE -fno-sanitize=all)
    target_link_options(${name} PRIVATE -fno-sanitize=all -static)
  else()
    hull_sanitizer_options(${name} $<BOOL:${arg_LEAKS}> $<IF:$<BOOL:${arg_SANDBOXED}>,stderr,${HULL_REPORTS}/report>)
    if(HULL_STATIC AND NOT arg_DYNAMIC)
      target_link_options(${name} PRIVATE -static)
    elseif(HULL_STATIC)
      # Binding the names of libstdc++ is nearly all that such a program does before main().
      target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
    endif()
  endif()
  set_property(GLOBAL APPEND PROPERTY hull_programs ${name})
  target_link_options(${name} PRIVATE -Wl,--gc-sections)
  if(CMAKE_BUILD_TYPE STREQUAL Release)
    target_link_options(${name} PRIVATE -s)
  endif()
endfunction()
