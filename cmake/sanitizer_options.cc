// What the sanitizers' run-time libraries are told, in every program and test of a sanitizer preset.
// Compiled in, because hull-shim and hull-transfer start with an empty environment. The macros come
// from hull_sanitizer_options() in cmake/hull.cmake; a variable of the environment still wins.
#define COMMON "log_path=" HULL_REPORTS ":log_exe_name=1:handle_abort=0"

extern "C" {
// hull-shim, hull-runtime and hull-transfer are not dumpable, which keeps the leak checker's ptrace away
// from them: HULL_LEAKS is 0 there.
const char* __asan_default_options() { return COMMON ":detect_leaks=" HULL_LEAKS; }
const char* __ubsan_default_options() { return COMMON ":print_stacktrace=1"; }
const char* __lsan_default_options() { return "report_objects=1"; }
// die_after_fork: hull-shim clones without libc, and its child is a copy that goes on alone.
const char* __tsan_default_options() { return COMMON ":die_after_fork=0:second_deadlock_stack=1:history_size=4"; }
}
