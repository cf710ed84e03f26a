#pragma once
#include "base/fd.hh"
#include "base/process.hh"

#include <optional>
#include <string>
#include <vector>

namespace hull::cli {

/// An ssh-agent of our own that holds private keys while a build runs. `ssh-add` may ask for a
/// key's passphrase. Throws invalid_argument when a key cannot be taken.
class KeyAgent {
public:
    explicit KeyAgent(const std::vector<std::string>& keys);
    KeyAgent(KeyAgent&&) = delete;
    ~KeyAgent();
    std::string socket() const { return directory_ + "/agent"; }

private:
    void wait_for_socket();
    void end();
    void add(const std::vector<std::string>& keys);

    std::string directory_;
    Fd lifeline_;
    std::optional<Process> agent_;
};

}  // namespace hull::cli
