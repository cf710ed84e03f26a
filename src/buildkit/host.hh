#pragma once
#include "base/file.hh"
#include "buildkit/engine_api.hh"
#include "buildkit/sessions.hh"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>

namespace hull::buildkit {

/// The daemon that we belong to, over the one channel that leads there. Thread-safe.
class Daemon {
public:
    virtual ~Daemon() = default;
    /// One more connection to its API.
    virtual Fd connect() = 0;
    struct Listener {
        Fd socket;
        Path path;  ///< where containers can be given it
    };
    /// A socket that only hulld can reach. It goes with remove_listener.
    virtual Listener listen() = 0;
    virtual void remove_listener(const Path& path) = 0;

    EngineApi api() {
        return EngineApi([this] { return connect(); });
    }
};

/// Directories that hold what clients have sent before, so that only changes are sent again.
/// Thread-safe.
class Rooms {
public:
    /// `path` is our working directory as hulld sees it.
    explicit Rooms(Path path) : path_(std::move(path)) {}

    /// One directory, which nobody else uses meanwhile.
    class Room {
    public:
        Room(Rooms& rooms, std::string name) : rooms_(&rooms), name_(std::move(name)) {}
        Room(Room&& other) noexcept
            : rooms_(std::exchange(other.rooms_, nullptr)), name_(std::move(other.name_)) {}
        ~Room() {
            if (rooms_) rooms_->leave(name_);
        }
        /// For us.
        const std::string& name() const { return name_; }
        /// For hulld.
        Path path() const { return join(rooms_->path_, name_); }
        /// "DEVICE:INODE"
        std::string identity() const;

    private:
        Rooms* rooms_;
        std::string name_;
    };
    /// The directory of that key, another one when it is in use. The least recently used ones go.
    Room enter(const std::string& key);
    /// All that no build uses: the next one sends everything.
    void remove_unused();

private:
    void leave(const std::string& name);
    void remove_old();
    void remove_all_but(std::size_t count);

    const Path path_;
    std::mutex mutex_;
    std::set<std::string> in_use_;
};

/// Archives that clients before buildx send as the body of another request. Thread-safe.
class Uploads {
public:
    struct Upload {
        Fd archive;
        Fd request;  ///< closing it ends that request
    };
    void add(const std::string& id, Upload upload);
    /// Waits a moment for one that is on its way. Throws not_found.
    Upload take(const std::string& id);

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, Upload> uploads_;
};

/// What all builds share.
struct Host {
    Daemon& daemon;
    Sessions sessions;
    Rooms rooms;
    Uploads uploads;
};

}  // namespace hull::buildkit
