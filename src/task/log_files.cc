#include "task/log_files.hh"

#include "base/error.hh"
#include "base/locked.hh"
#include "base/sys.hh"
#include "shim/log_record.hh"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace hull::task {

namespace {

std::vector<std::string> list_names(const Path& directory) {
    if (!sys::find_stat(directory)) return {};
    try {
        return sys::list_directory(directory);
    } catch (const Error&) {  // removed meanwhile (R32)
        return {};
    }
}

/// Files that are open and locked, by device and inode, which nobody else gets meanwhile.
struct OpenFiles {
    std::map<std::pair<dev_t, ino_t>, std::weak_ptr<const Fd>> files;
    std::size_t next_sweep = 64;
};
Locked<OpenFiles> open_files;

/// Opens and locks, or takes what another reader has; null when the file is gone.
std::shared_ptr<const Fd> open_locked(const Path& path) {
    Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno != ENOENT && errno != ENOTDIR) throw_errno(errno, "opening a log");
        return nullptr;
    }
    const struct stat status = sys::fstat(file.get());
    auto open = open_files.lock();
    std::weak_ptr<const Fd>& known = open->files[{status.st_dev, status.st_ino}];
    if (auto shared = known.lock()) return shared;
    // The shim has its own lock only while it removes the file.
    if (::flock(file.get(), LOCK_SH) != 0) return nullptr;
    auto shared = std::make_shared<const Fd>(std::move(file));
    known = shared;
    if (open->files.size() >= open->next_sweep) {
        std::erase_if(open->files, [](const auto& item) { return item.second.expired(); });
        open->next_sweep = 64 + 2 * open->files.size();
    }
    return shared;
}

class LocalFiles final : public LogFiles {
public:
    explicit LocalFiles(Path directory) : directory_(std::move(directory)) {}

    std::vector<LogSegment> open_all() override {
        std::vector<LogSegment> segments;
        const std::vector<std::uint64_t> listed = list_sequences();
        if (listed.empty()) return segments;
        for (std::uint64_t sequence = listed.front(); sequence <= listed.back(); ++sequence)
            if (auto segment = open(sequence)) segments.push_back(std::move(*segment));
        return segments;
    }

    /// Asks for the number before the listing: readdir may show a file and not the one that was
    /// made just before it.
    std::optional<LogSegment> open_next(const LogSegment& segment) override {
        if (auto next = open(segment.sequence + 1)) return next;
        const std::vector<std::uint64_t> listed = list_sequences();
        if (listed.empty() || listed.back() <= segment.sequence) return std::nullopt;
        for (std::uint64_t sequence = segment.sequence + 1; sequence <= listed.back(); ++sequence)
            if (auto next = open(sequence)) return next;
        return std::nullopt;
    }

private:
    std::vector<std::uint64_t> list_sequences() const {
        std::vector<std::uint64_t> sequences;
        for (const std::string& name : list_names(directory_))
            if (const auto sequence = shim::parse_segment_name(name))
                sequences.push_back(*sequence);
        std::sort(sequences.begin(), sequences.end());
        return sequences;
    }

    std::optional<LogSegment> open(std::uint64_t sequence) const {
        auto file = open_locked(join(directory_, fmt::format("{}.log", sequence)));
        // The shim may have unlinked it between our open and our lock.
        if (!file || sys::fstat(file->get()).st_nlink == 0) return std::nullopt;
        LogSegment segment;
        segment.decoder = make_local_decoder(file->get());
        segment.file = std::move(file);
        segment.sequence = sequence;
        return segment;
    }

    Path directory_;
};

/// NAME, NAME.1, NAME.2 …, the oldest last; a rotation renames them all under us.
class JsonFiles final : public LogFiles {
public:
    explicit JsonFiles(Path directory) : directory_(std::move(directory)) {}

    std::vector<LogSegment> open_all() override {
        constexpr int attempts = 1000;
        for (int attempt = 1;; ++attempt) {
            std::vector<LogSegment> segments;
            const std::vector<Listed> listed = list_oldest_first();
            for (const Listed& file : listed)
                if (auto segment = open(file)) segments.push_back(std::move(*segment));
            if (segments.size() < listed.size() && attempt < attempts) continue;
            for (const LogSegment& segment : segments) seen_.insert(identity_of(segment));
            return segments;
        }
    }

    std::optional<LogSegment> open_next(const LogSegment& current) override {
        const Identity own = identity_of(current);
        for (int attempt = 0; attempt < 10; ++attempt) {
            const std::vector<Listed> listed = list_oldest_first();
            auto candidate = std::find_if(listed.begin(), listed.end(),
                                          [&](const Listed& file) { return file.identity == own; });
            if (candidate != listed.end())
                ++candidate;
            else  // it was deleted (R28): on with the oldest one we have not read
                candidate = std::find_if(listed.begin(), listed.end(), [&](const Listed& file) {
                    return !seen_.contains(file.identity);
                });
            if (candidate == listed.end()) return std::nullopt;
            if (auto next = open(*candidate)) {
                seen_.insert(candidate->identity);
                return next;
            }
        }
        return std::nullopt;
    }

private:
    using Identity = std::pair<std::uint64_t, std::uint64_t>;  ///< inode and time of birth
    struct Listed {
        Path path;
        Identity identity;
    };

    static Identity identity_of(const LogSegment& segment) {
        return {segment.inode, segment.birth_time};
    }
    static std::optional<Identity> find_identity(int directory, const char* path, int flags) {
        struct statx status;
        if (::statx(directory, path, flags, STATX_INO | STATX_BTIME, &status) != 0)
            return std::nullopt;
        const auto seconds = static_cast<std::uint64_t>(status.stx_btime.tv_sec);
        return Identity{status.stx_ino, seconds * 1'000'000'000 + status.stx_btime.tv_nsec};
    }

    /// nullopt when another file has the name by now.
    static std::optional<LogSegment> open(const Listed& listed) {
        auto file = open_locked(listed.path);
        if (!file || find_identity(file->get(), "", AT_EMPTY_PATH) != listed.identity)
            return std::nullopt;
        LogSegment segment;
        std::tie(segment.inode, segment.birth_time) = listed.identity;
        segment.decoder = make_json_file_decoder(file->get());
        segment.file = std::move(file);
        return segment;
    }

    /// Names are asked for upwards, the way a rotation moves the files: none is missed, though one
    /// may be met twice, and one name may be vacant for a moment.
    std::vector<Listed> list_oldest_first() {
        if (base_.empty()) find_base();
        std::vector<Listed> files;
        int missing = base_.empty() ? 2 : 0;
        for (unsigned number = 0; missing < 2; ++number) {
            const Path path =
                join(directory_, number ? fmt::format("{}.{}", base_, number) : base_);
            const auto identity = find_identity(AT_FDCWD, path.c_str(), 0);
            missing = identity ? 0 : missing + 1;
            if (!identity) continue;
            if (!files.empty() && files.back().identity == *identity) files.pop_back();
            files.push_back({path, *identity});
        }
        std::reverse(files.begin(), files.end());
        return files;
    }

    void find_base() {
        constexpr std::string_view suffix = "-json.log";
        for (const std::string& name : list_names(directory_)) {
            const std::size_t at = name.rfind(suffix);
            if (at != std::string::npos) base_ = name.substr(0, at + suffix.size());
        }
    }

    Path directory_;
    std::string base_;
    std::set<Identity> seen_;
};

}  // namespace

std::unique_ptr<LogFiles> make_log_files(const std::string& driver, const Path& directory) {
    if (driver == "local") return std::make_unique<LocalFiles>(directory);
    if (driver == "json-file") return std::make_unique<JsonFiles>(directory);
    throw Error(ErrorKind::unsupported,
                "configured logging driver does not support reading");  // Docker's words
}

}  // namespace hull::task
