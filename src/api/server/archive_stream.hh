#pragma once
#include "api/server/call.hh"
#include "base/sys.hh"

#include <optional>
#include <thread>
#include <vector>

namespace hull::server {

/// Sends what somebody writes to `fd()`. Until `begin`, an error is still a reply of its own.
class ArchiveStream {
public:
    explicit ArchiveStream(Call& call) : call_(call), pipe_(sys::pipe()) {}
    ~ArchiveStream() { finish(); }
    ArchiveStream(const ArchiveStream&) = delete;
    ArchiveStream& operator=(const ArchiveStream&) = delete;

    int fd() const { return pipe_.write_end.get(); }

    void begin(http::Headers headers) {
        headers.set("Content-Type", "application/x-tar");
        call_.exchange.start_stream(200, std::move(headers));
        forward_.emplace([this] {
            try {
                std::vector<std::byte> buffer(256 << 10);
                while (const std::size_t count = sys::read(pipe_.read_end.get(), buffer))
                    call_.exchange.write({reinterpret_cast<const char*>(buffer.data()), count});
            } catch (const Error&) {
                // The client is gone; closing the pipe ends the writer.
            }
            pipe_.read_end.reset();
        });
    }

    /// After the last byte was written.
    void finish() {
        pipe_.write_end.reset();
        if (forward_ && forward_->joinable()) forward_->join();
    }

private:
    Call& call_;
    sys::Pipe pipe_;
    std::optional<std::thread> forward_;
};

}  // namespace hull::server
