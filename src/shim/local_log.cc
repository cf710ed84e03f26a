#include "base/error.hh"
#include "base/sys.hh"
#include "shim/log_record.hh"
#include "shim/log_writer.hh"

#include <fcntl.h>

#include <algorithm>

namespace hull::shim {

namespace {

constexpr std::uint64_t default_max_size_bytes = 20 << 20;
constexpr unsigned default_max_files = 5;

std::vector<std::uint64_t> list_segments(const Path& directory) {
    std::vector<std::uint64_t> sequences;
    for (const std::string& name : sys::list_directory(directory))
        if (const auto sequence = parse_segment_name(name)) sequences.push_back(*sequence);
    std::sort(sequences.begin(), sequences.end());
    return sequences;
}

/// Whether a file that is not empty ends with a whole record, judged by its last length.
bool ends_whole(int fd, std::uint64_t size) {
    char bytes[record_header_bytes];
    std::uint32_t length = 0;
    if (size < record_header_bytes + record_trailer_bytes + 1) return false;
    if (::pread(fd, &length, 4, static_cast<off_t>(size - 4)) != 4) return false;
    const std::uint64_t whole = record_header_bytes + length + record_trailer_bytes;
    if (whole > size) return false;
    if (::pread(fd, bytes, sizeof bytes, static_cast<off_t>(size - whole)) != sizeof bytes)
        return false;
    const auto header = decode_record_header({bytes, sizeof bytes});
    return header && header->length == length;
}

class LocalLog final : public LogWriter {
public:
    explicit LocalLog(const LogConfig& config)
        : directory_(config.directory),
          max_size_bytes_(config.max_size_bytes ? config.max_size_bytes : default_max_size_bytes),
          max_files_(config.max_files ? config.max_files : default_max_files) {
        sys::mkdir_all(directory_, 0700);
        const auto segments = list_segments(directory_);
        if (!segments.empty()) sequence_ = segments.back();
        open_segment();
        if (size_ > 0 && !ends_whole(file_.get(), size_)) {  // after a power loss
            ++sequence_;
            open_segment();
        }
    }

    void write(int stream, std::int64_t time_ns, std::string_view bytes) override {
        const std::size_t limit = static_cast<std::size_t>(
            std::clamp<std::uint64_t>(max_size_bytes_, 256, max_record_bytes));
        while (!bytes.empty()) {
            write_record(stream, time_ns, bytes.substr(0, limit));
            bytes.remove_prefix(std::min(limit, bytes.size()));
        }
    }

private:
    void open_segment() {
        file_ = sys::open(join(directory_, fmt::format("{}.log", sequence_)),
                          O_RDWR | O_CREAT | O_APPEND, 0640);
        size_ = static_cast<std::uint64_t>(sys::fstat(file_.get()).st_size);
    }

    void write_record(int stream, std::int64_t time_ns, std::string_view bytes) {
        const auto length = static_cast<std::uint32_t>(bytes.size());
        const std::uint64_t whole = record_header_bytes + length + record_trailer_bytes;
        if (size_ > 0 && size_ + whole > max_size_bytes_) rotate();
        const auto header =
            encode({.length = length,
                    .time_ns = static_cast<std::uint64_t>(time_ns),
                    .stream = static_cast<std::uint8_t>(stream),
                    .flags = bytes.back() == '\n' ? std::uint8_t{0} : record_is_partial});
        if (append_whole(file_.get(), size_, {header.data(), header.size()}, bytes,
                         {reinterpret_cast<const char*>(&length), sizeof length}))
            size_ += whole;
    }

    /// A reader looks for the next number once it has read a file to its end.
    void rotate() {
        const std::uint64_t full = sequence_;
        try {
            ++sequence_;
            open_segment();
        } catch (const Error&) {  // no inode left: the full one goes on growing
            sequence_ = full;
            return;
        }
        std::vector<Path> surplus;
        const auto segments = list_segments(directory_);
        for (std::size_t i = 0; i + max_files_ < segments.size(); ++i)
            surplus.push_back(join(directory_, fmt::format("{}.log", segments[i])));
        remove_surplus(surplus);
    }

    Path directory_;
    std::uint64_t max_size_bytes_;
    unsigned max_files_;
    std::uint64_t sequence_ = 1;
    std::uint64_t size_ = 0;
    Fd file_;
};

}  // namespace

std::unique_ptr<LogWriter> open_local_log(const LogConfig& config) {
    return std::make_unique<LocalLog>(config);
}

}  // namespace hull::shim
