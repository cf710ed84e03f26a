#pragma once

namespace hull::files {

/// hull-files: one operation on the files of one container, as root, with one thread, for hulld.
/// Descriptor 4 is the request (request.hh), 0 the records of an archive, 1 where tar or JSON goes,
/// 3 takes messages, one JSON text a line: {"ready": PathStat or null} before the first byte of
/// output, {"warning": TEXT}, and at the end {"done": true} or {"error": {"kind", "message"}}.
/// Ends with the daemon. Returns the exit code.
int run_program();

}  // namespace hull::files
