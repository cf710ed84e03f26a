#pragma once
#include "archive/byte_source.hh"
#include "base/fd.hh"
#include "buildkit/connection.hh"
#include "buildkit/file_stat.hh"

#include <cstdint>
#include <functional>
#include <vector>

namespace hull::buildkit {

/// The files of a tar, to be sent one by one in the order and on the demand of a client: what
/// files hold is kept in a file that has no name. Devices, pipes and sockets are left out.
class TreeSender {
public:
    /// Reads the whole archive. Throws invalid_argument.
    explicit TreeSender(archive::ByteSource& tar);
    /// The sending side of a DiffCopy, to its end. Throws what the client says.
    void send(Call& call, const std::function<void(std::uint64_t)>& on_bytes) const;

private:
    struct File {
        FileStat stat = {};
        std::uint64_t offset = 0;  ///< in the spool
    };
    void sort();
    void send_data(Call& call, std::uint32_t number) const;

    Fd spool_;
    std::vector<File> files_;
};

}  // namespace hull::buildkit
