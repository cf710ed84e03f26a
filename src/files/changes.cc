#include "files/changes.hh"

#include "archive/tar_entry.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "files/tree.hh"

#include <algorithm>
#include <vector>

namespace hull::files {

namespace {

constexpr int max_depth = 2000;  // two descriptors a level

bool is_whiteout(const struct stat& info) { return S_ISCHR(info.st_mode) && info.st_rdev == 0; }

bool same_metadata(const struct stat& a, const struct stat& b) {
    return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid &&
           a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

class Comparison {
public:
    using Sink = std::function<void(ChangeKind, const std::string&)>;
    explicit Comparison(const Sink& sink) : sink_(sink) {}

    /// `lower` is -1 where nothing is below. `replaced`: what `upper` does not name is gone.
    void compare(int upper, int lower, const std::string& path, bool replaced, int depth) {
        if (depth > max_depth)
            throw Error(ErrorKind::unsupported,
                        "{}: directories nested deeper than {} cannot be compared",
                        archive::quoted(path), max_depth);
        const std::vector<std::string> names = list_names(upper);
        std::vector<std::string> gone;
        if (replaced && lower >= 0) {
            const std::vector<std::string> below = list_names(lower);
            std::set_difference(below.begin(), below.end(), names.begin(), names.end(),
                                std::back_inserter(gone));
        }
        for (const std::string& name : names) {
            const Fd above = find_child(upper, name);
            if (!above) continue;
            const Fd below = lower >= 0 ? find_child(lower, name) : Fd();
            compare_one(above.get(), below.get(), path + "/" + name, replaced, depth);
        }
        for (const std::string& name : gone) say(ChangeKind::deleted, path + "/" + name);
    }

private:
    void say(ChangeKind kind, const std::string& path) {
        for (const std::string& parent : pending_) sink_(ChangeKind::modified, parent);
        pending_.clear();
        sink_(kind, path);
    }

    void compare_one(int above, int below, const std::string& path, bool replaced, int depth) {
        const struct stat info = sys::fstat(above);
        if (is_whiteout(info)) {
            if (below >= 0) say(ChangeKind::deleted, path);
            return;
        }
        const bool is_directory = S_ISDIR(info.st_mode);
        if (below < 0) {
            say(ChangeKind::added, path);
            if (is_directory) compare(above, -1, path, false, depth + 1);
            return;
        }
        const struct stat old = sys::fstat(below);
        const bool both = is_directory && S_ISDIR(old.st_mode);
        if (!both || !same_metadata(info, old))
            say(ChangeKind::modified, path);
        else
            pending_.push_back(path);
        const bool is_new = replaced || find_xattr(above, "trusted.overlay.opaque") == "y";
        if (is_directory) compare(above, both ? below : -1, path, is_new && both, depth + 1);
        if (!pending_.empty() && pending_.back() == path) pending_.pop_back();  // nothing in it
    }

    const Sink& sink_;
    std::vector<std::string> pending_;  ///< directories above that have not been named
};

}  // namespace

void list_changes(int upper, int lower,
                  const std::function<void(ChangeKind, const std::string& path)>& sink) {
    Comparison(sink).compare(upper, lower, "", false, 0);
}

}  // namespace hull::files
