#pragma once

namespace hull::transfer {

/// hull-transfer load|import|commit|save|unpack|pull|push|ask|self-check --staging DIR --uid N
///     [--known FILE] [--import-options JSON]
/// Does all parsing of foreign bytes for the daemon, without privileges: enters its sandbox before
/// it reads the first byte of descriptor 0, writes a saved archive or the records of an unpacked
/// one to descriptor 1 and reports on descriptor 3. save and commit find what to do in
/// DIR/request.json; pull, push and ask, which speak to registries, on descriptor 0 (pull.hh,
/// push.hh, ask.hh). `self-check` waits for the end of descriptor 0 and then reports on descriptor
/// 1, as JSON, what the sandbox let it do. Returns the exit code.
int run_program(int argument_count, char** arguments);

}  // namespace hull::transfer
