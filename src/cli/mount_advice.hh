#pragma once
#include "api/types/container.hh"

#include <string>
#include <string_view>
#include <vector>

namespace hull::cli {

class Session;

/// Reads along with a program's output; when it was denied something below a directory that was
/// mounted, there is a flag that would have helped.
class MountAdvice {
public:
    /// The mounts and the user of a container that is about to run.
    MountAdvice(Session& session, const api::CreateRequest& request);
    /// The next bytes of the program's output.
    void see(std::string_view bytes);
    /// One line about the mount it was denied, with its owner where that can be seen from here;
    /// "" when none was concerned.
    std::string line() const;

private:
    struct Place {
        std::string source, target;  ///< source: path of the host or name of a volume
    };
    void add(std::string source, std::string target);
    void see_line(std::string_view line);

    Session& session_;
    const std::string user_;
    std::vector<Place> places_;
    std::string rest_;  ///< the beginning of a line
    const Place* denied_ = nullptr;
};

}  // namespace hull::cli
