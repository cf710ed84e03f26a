#pragma once
#include "base/fd.hh"
#include "base/locked.hh"

#include <cstdint>
#include <string>
#include <string_view>

namespace hull::registry {

/// One line of JSON for each request. Writes that the disk refuses are lost, never waited for.
class AccessLog {
public:
    struct Entry {
        std::int64_t time_ns = 0, duration_ns = 0;
        std::string_view peer = {}, user = {}, method = {}, path = {}, query = {}, user_agent = {},
                         repository = {}, reference = {}, error = {};
        int status = 0;
        std::uint64_t received = 0, sent = 0;
    };

    AccessLog() = default;
    explicit AccessLog(Fd file) : file_(std::move(file)) {}
    /// Further lines go there (log rotation).
    void reopen(Fd file);
    void write(const Entry& entry);
    static std::string format(const Entry& entry);

private:
    Locked<Fd> file_;
};

}  // namespace hull::registry
