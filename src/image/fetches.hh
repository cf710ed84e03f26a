#pragma once
#include "base/fd.hh"
#include "base/file.hh"

#include <sys/types.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace hull::image {

/// Who is fetching which blob, so that pulls at the same time fetch each one once; and the files
/// they are fetched into, which outlive a pull that broke. Thread-safe.
class Fetches {
public:
    /// A pull. Its functions are called with a lock held, from any thread; they must not call back.
    class Party {
    public:
        virtual ~Party() = default;
        /// Fetch it into this file, which holds its beginning, perhaps.
        virtual void fetch(const std::string& blob, Fd file) noexcept = 0;
        /// Somebody else is fetching it: one of the others will follow.
        virtual void wait(const std::string& blob) noexcept = 0;
        /// Somebody else has brought it. False: it is needed all the same.
        virtual bool take_present(const std::string& blob) noexcept = 0;
    };

    /// Files that nobody went on with for a week go.
    Fetches(Path directory, uid_t uid);

    /// Gives `party` its turn, now or later.
    void want(const std::string& blob, Party& party);
    /// The blob's file, to be taken away by the one who fetched it.
    Path file_of(const std::string& blob) const;
    /// It is in the store now: tells those who wait.
    void finish(const std::string& blob, Party& party);
    /// `party` ends: what it was fetching goes to others. Its files stay when `keeps_files`.
    void leave(Party& party, bool keeps_files);
    /// Removes every partial file that nobody is fetching.
    void remove_partial_files();

private:
    struct Fetch {
        Party* owner = nullptr;
        std::deque<Party*> waiting;
    };
    void give(const std::string& blob, Party& party);
    Fd open_partial(const std::string& blob) const;

    const Path directory_;
    const uid_t uid_;
    std::mutex mutex_;
    std::map<std::string, Fetch> fetches_;
};

}  // namespace hull::image
