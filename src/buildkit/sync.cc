#include "buildkit/sync.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "buildkit/file_stat.hh"
#include "buildkit/message.hh"
#include "buildkit/packet.hh"
#include "buildkit/trees.hh"
#include "http/headers.hh"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <map>
#include <set>

namespace hull::buildkit {

namespace {

constexpr const char* method = "/moby.filesync.v1.FileSync/DiffCopy";

/// Header fields are ASCII: what is not is escaped, and another field says so.
void add_values(Metadata& metadata, const std::string& name,
                const std::vector<std::string>& values) {
    const auto is_plain = [](const std::string& value) {
        return std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
    };
    const bool plain = std::all_of(values.begin(), values.end(), is_plain);
    for (const std::string& value : values)
        metadata.emplace(name, plain ? value : http::encode_percent(value));
    if (!plain) metadata.emplace(name + "-encoded", "1");
}

/// A directory that becomes what the client has.
class Receiver {
public:
    Receiver(Call& call, const Path& directory, const std::function<void(std::uint64_t)>& on_bytes)
        : call_(call), root_(sys::open(directory, O_RDONLY | O_DIRECTORY)), on_bytes_(on_bytes) {}

    void run() {
        std::string bytes;
        while (call_.read(bytes)) {
            const Packet packet = parse_packet(bytes);
            switch (packet.type) {
                case Packet::Type::stat:
                    if (packet.stat.empty())
                        end_of_list();
                    else
                        take(parse_file_stat(packet.stat));
                    break;
                case Packet::Type::data: write(packet); break;
                case Packet::Type::fin: is_finished_ = true; break;
                case Packet::Type::error:
                    throw Error(ErrorKind::internal, "error from sender: {}", packet.data);
                default: break;
            }
            if (list_ended_ && wanted_.empty() && !std::exchange(said_fin_, true))
                call_.write(format_packet({Packet::Type::fin, {}, 0, {}}));
        }
        if (!is_finished_)
            throw Error(ErrorKind::cancelled, "the client ended before all files had come");
        for (auto at = narrow_.rbegin(); at != narrow_.rend(); ++at) {
            const Place place = find_place(at->first);
            ::fchmodat(place.parent, place.name.c_str(), at->second, 0);
        }
    }

private:
    struct Wanted {
        FileStat stat;
        Fd file;
    };
    struct Place {
        int parent;
        std::string name;
    };

    /// Through directories only: a link on the way is an error.
    Place find_place(const std::string& path) {
        const std::size_t slash = path.rfind('/');
        const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
        if (parent != parent_path_) {
            parent_ = sys::openat2(root_.get(), parent, O_RDONLY | O_DIRECTORY,
                                   RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
            parent_path_ = parent;
        }
        return {parent_.get(), slash == std::string::npos ? path : path.substr(slash + 1)};
    }

    void take(const FileStat& file) {
        const std::uint32_t number = next_number_++;
        if (file.is_directory())
            make_directory(file);
        else if (file.is_symlink())
            make_symlink(file);
        else if (!file.is_regular())
            return;  // devices, pipes and sockets are no part of a context
        else if (!file.link.empty())
            links_.push_back(file);  // made when what it names has come
        else
            want(file, number);
        seen_.insert(file.path);
    }

    static bool find_stat_at(const Place& place, struct stat& info) {
        return ::fstatat(place.parent, place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    }

    void make_directory(const FileStat& file) {
        const Place place = find_place(file.path);
        struct stat info {};
        const bool is_there = find_stat_at(place, info);
        if (is_there && !S_ISDIR(info.st_mode)) remove(place);
        if (!is_there || !S_ISDIR(info.st_mode)) {
            if (::mkdirat(place.parent, place.name.c_str(), 0700) != 0)
                throw_errno(errno, "making the directory {}", file.path);
            info.st_mode = S_IFDIR | 0700;
        }
        // While it is filled we must be able to; what is narrower comes last.
        const mode_t open = file.permissions() | S_IRWXU;
        if ((info.st_mode & 07777) != open) ::fchmodat(place.parent, place.name.c_str(), open, 0);
        if (open != file.permissions()) narrow_[file.path] = file.permissions();
    }

    void make_symlink(const FileStat& file) {
        const Place place = find_place(file.path);
        struct stat info {};
        if (find_stat_at(place, info)) {
            char target[PATH_MAX];
            const ssize_t size =
                ::readlinkat(place.parent, place.name.c_str(), target, sizeof target);
            if (size >= 0 && file.link == std::string_view(target, static_cast<std::size_t>(size)))
                return;
            remove(place);
        }
        if (::symlinkat(file.link.c_str(), place.parent, place.name.c_str()) != 0)
            throw_errno(errno, "making the link {}", file.path);
    }

    void want(const FileStat& file, std::uint32_t number) {
        const Place place = find_place(file.path);
        struct stat info {};
        if (find_stat_at(place, info)) {
            const std::int64_t modified_ns =
                info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec;
            if (S_ISREG(info.st_mode) && info.st_size == file.size &&
                (info.st_mode & 07777) == file.permissions() && modified_ns == file.modified_ns)
                return;
            remove(place);
        }
        wanted_[number].stat = file;
        call_.write(format_packet({Packet::Type::request, {}, number, {}}));
    }

    void write(const Packet& packet) {
        const auto found = wanted_.find(packet.id);
        if (found == wanted_.end())
            throw Error(ErrorKind::invalid_argument,
                        "the client sends a file that was not asked for");
        Wanted& wanted = found->second;
        if (!wanted.file) {
            const Place place = find_place(wanted.stat.path);
            wanted.file = sys::openat(place.parent, place.name,
                                      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        }
        if (!packet.data.empty()) {
            sys::write_all(wanted.file.get(), packet.data);
            on_bytes_(bytes_ += packet.data.size());
            return;
        }
        if (::fchmod(wanted.file.get(), wanted.stat.permissions()) != 0)
            throw_errno(errno, "changing the mode of {}", wanted.stat.path);
        // Last, as it is how the next build knows that the file is whole.
        constexpr std::int64_t second_ns = 1'000'000'000;
        std::int64_t seconds = wanted.stat.modified_ns / second_ns;
        if (wanted.stat.modified_ns % second_ns < 0) --seconds;
        const timespec modified{seconds, wanted.stat.modified_ns - seconds * second_ns};
        const timespec times[2] = {modified, modified};
        if (::futimens(wanted.file.get(), times) != 0)
            throw_errno(errno, "changing the time of {}", wanted.stat.path);
        wanted_.erase(found);
        if (list_ended_ && wanted_.empty()) make_links();
    }

    void end_of_list() {
        list_ended_ = true;
        sweep(root_.get(), "");
        if (wanted_.empty()) make_links();
    }

    /// When the files they name are whole.
    void make_links() {
        for (const FileStat& file : links_) {
            const Place other = find_place(file.link);
            const Fd from = sys::dup(other.parent);
            const Place place = find_place(file.path);
            struct stat info {
            }, target{};
            const bool is_there = find_stat_at(place, info);
            if (::fstatat(from.get(), other.name.c_str(), &target, AT_SYMLINK_NOFOLLOW) != 0)
                throw_errno(errno, "making {}, another name of {}", file.path, file.link);
            if (is_there && info.st_ino == target.st_ino) continue;
            if (is_there) remove(place);
            if (::linkat(from.get(), other.name.c_str(), place.parent, place.name.c_str(), 0) != 0)
                throw_errno(errno, "making {}, another name of {}", file.path, file.link);
        }
    }

    void remove(const Place& place) {
        parent_path_.clear();  // it may be below what goes
        remove_at(place.parent, place.name);
    }

    /// Removes what the client did not name.
    void sweep(int directory, const std::string& prefix) {
        for (const std::string& name : list_names(directory)) {
            const std::string path = prefix + name;
            const Place place{directory, name};
            struct stat info {};
            if (!find_stat_at(place, info)) continue;
            if (!seen_.contains(path)) {
                remove(place);
            } else if (S_ISDIR(info.st_mode)) {
                const Fd below = sys::openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
                sweep(below.get(), path + "/");
            }
        }
    }

    Call& call_;
    Fd root_, parent_;
    std::string parent_path_;
    const std::function<void(std::uint64_t)>& on_bytes_;
    std::uint32_t next_number_ = 0;
    std::uint64_t bytes_ = 0;
    std::set<std::string> seen_;
    std::map<std::uint32_t, Wanted> wanted_;
    std::vector<FileStat> links_;
    std::map<std::string, mode_t> narrow_;  ///< directories that end with fewer rights than ours
    bool list_ended_ = false, said_fin_ = false, is_finished_ = false;
};

}  // namespace

void sync_directory(const ClientSession& session, const SyncRequest& request, const Path& directory,
                    const std::function<void(std::uint64_t)>& on_bytes) {
    if (!session.offers(method))
        throw Error(ErrorKind::unsupported, "the client offers none of its directories");
    Metadata metadata;
    add_values(metadata, "dir-name", {request.name});
    add_values(metadata, "exclude-patterns", request.excluded);
    add_values(metadata, "followpaths", request.followed);
    const auto call = session.connection->start(method, metadata);
    Receiver(*call, directory, on_bytes).run();
}

}  // namespace hull::buildkit
