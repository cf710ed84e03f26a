#pragma once
#include <string>
#include <vector>

namespace hull::tls {

/// hull-tls serve --tlscert F --tlskey F [--tlscacert F --tlsverify] [--uid N] --directory D
///   Descriptor 3 is a SOCK_SEQPACKET from hulld: every message brings an accepted connection and
///   the plain socket that hulld serves. One byte back says that the keys are read; a text, why
///   not.
/// hull-tls connect HOST PORT [--tls [--tlsverify] [--tlscacert F] [--tlscert F --tlskey F]]
///   Carries descriptor 0 there. Descriptor 3 gets one byte once it is connected, or the error.
int run_program(const std::vector<std::string>& arguments);

}  // namespace hull::tls
