#pragma once
#include "api/types/system.hh"

#include <cstddef>
#include <string>
#include <vector>

namespace hull::cli {

/// Shows the messages of a pull, push or load: on a terminal a line for each layer that changes in
/// place, with a bar; elsewhere a line whenever a layer's state changes.
class ProgressView {
public:
    explicit ProgressView(int fd);

    /// Throws the Error that the message is.
    void show(const api::ProgressMessage& message);

private:
    std::string bar(const api::ProgressMessage& message) const;

    const int fd_;
    const bool on_terminal_;
    std::vector<std::string> ids_;  ///< in the order of their lines
};

}  // namespace hull::cli
