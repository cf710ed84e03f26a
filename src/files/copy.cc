#include "files/copy.hh"

#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "base/text.hh"
#include "build/dockerfile/source.hh"
#include "files/glob.hh"
#include "linux/mount.hh"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace hull::files {

namespace {

constexpr int max_depth = 4000, max_links = 255;

/// Components without ".", with ".." resolved; what leads above the root stays at the root.
std::vector<std::string> clean_parts(std::string_view path) {
    std::vector<std::string> parts;
    for (std::string& part : split_nonempty(path, '/')) {
        if (part == ".") continue;
        if (part != "..")
            parts.push_back(std::move(part));
        else if (!parts.empty())
            parts.pop_back();
    }
    return parts;
}

std::string join_parts(const std::vector<std::string>& parts) {
    std::string path;
    for (const std::string& part : parts) path += (path.empty() ? "" : "/") + part;
    return path;
}

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

/// `path` with every link in it followed inside `root`, also links to what is not there.
std::string resolve(int root, const std::string& path) {
    std::vector<std::string> waiting = clean_parts(path), done;
    std::reverse(waiting.begin(), waiting.end());
    for (int links = 0; !waiting.empty();) {
        const std::string part = std::move(waiting.back());
        waiting.pop_back();
        if (part == "..") {
            if (!done.empty()) done.pop_back();
            continue;
        }
        done.push_back(part);
        const Fd fd = linux_::find_in_root(root, "/" + join_parts(done), O_PATH | O_NOFOLLOW);
        if (!fd || !S_ISLNK(sys::fstat(fd.get()).st_mode)) continue;
        if (++links > max_links)
            throw Error(ErrorKind::invalid_argument, "{}: too many levels of symbolic links", path);
        const std::string target = read_link(fd.get());
        done.pop_back();
        if (target.starts_with('/')) done.clear();
        std::vector<std::string> parts = split_nonempty(target, '/');
        for (auto next = parts.rbegin(); next != parts.rend(); ++next)
            if (*next != ".") waiting.push_back(std::move(*next));
    }
    return join_parts(done);
}

char letter_of(archive::EntryType type) {
    switch (type) {
        case archive::EntryType::file: return 'f';
        case archive::EntryType::directory: return 'd';
        case archive::EntryType::symlink: return 'l';
        case archive::EntryType::hard_link: return 'h';
        case archive::EntryType::char_device: return 'c';
        case archive::EntryType::block_device: return 'b';
        case archive::EntryType::fifo: return 'p';
    }
    return '?';
}

std::string describe_xattrs(const std::map<std::string, std::string>& xattrs) {
    std::string text;
    for (const auto& [name, value] : xattrs)
        text += fmt::format("{}:{}{}:", name.size(), name, value.size()) + value;
    return text.empty() ? text : "+" + sha256_hex(text);
}

}  // namespace

Copier::Copier(const CopyPlan& plan, Fd source)
    : plan_(plan),
      source_fd_(std::move(source)),
      source_(source_fd_.get()),
      ignored_(plan.ignored),
      excluded_(plan.excluded) {
    if (!plan.index.empty()) index_.emplace(plan.index);
}

// ---------------------------------------------------------------- what is copied

bool Copier::is_excluded(const std::string& path, const std::string& below) const {
    return ignored_.is_excluded(path) ||
           (!excluded_.empty() && (excluded_.is_excluded(path) || excluded_.is_excluded(below)));
}

bool Copier::can_skip(const std::string& path, const std::string& below) const {
    if (ignored_.is_excluded(path) && ignored_.can_skip_directory(path)) return true;
    return !excluded_.empty() &&
           ((excluded_.is_excluded(path) && excluded_.can_skip_directory(path)) ||
            (excluded_.is_excluded(below) && excluded_.can_skip_directory(below)));
}

/// Docker's text, and what may be the reason.
void Copier::throw_missing(const std::string& path) const {
    std::string hint;
    if (const std::string pattern = ignored_.deciding_pattern(path);
        ignored_.is_excluded(path) && !pattern.empty()) {
        hint = fmt::format(" (.dockerignore excludes it: {})", pattern);
    } else if (const Fd directory =
                   linux_::find_in_root(source_, "/" + directory_of(path), O_PATH | O_DIRECTORY)) {
        const std::string near =
            build::dockerfile::nearest(name_of(path), list_names(directory.get()));
        const std::string above = directory_of(path);
        if (!near.empty())
            hint = fmt::format(" (did you mean {}?)", above.empty() ? near : above + "/" + near);
    }
    throw Error(ErrorKind::not_found,
                "file not found in build context or excluded by .dockerignore: stat {}: file does "
                "not exist{}",
                path, hint);
}

Copier::Selected Copier::make_selected(const std::string& path, std::size_t pivot) const {
    Selected selected{path, name_of(path), "", false};
    if (plan_.parents) {
        selected.parents = directory_of(path.substr(std::min(pivot, path.size())));
        if (!selected.parents.empty()) selected.parents += '/';
    }
    const Fd fd = linux_::find_in_root(source_, "/" + path, O_PATH);
    if (!fd) throw_missing(path);
    selected.is_directory = S_ISDIR(sys::fstat(fd.get()).st_mode);
    const bool gone =
        selected.is_directory ? can_skip(path, selected.name) : is_excluded(path, selected.name);
    if (!path.empty() && gone) throw_missing(path);
    return selected;
}

void Copier::select_written(const std::string& written, std::vector<Selected>& selected) const {
    // With --parents what is in front of "/./" does not come along.
    std::size_t pivot = 0;
    if (const std::size_t at = written.find("/./"); plan_.parents && at != std::string::npos) {
        const std::string before = join_parts(clean_parts(written.substr(0, at)));
        pivot = before.empty() ? 0 : before.size() + 1;
    }
    const std::string path = join_parts(clean_parts(written));
    if (plan_.literal || !build::dockerfile::has_wildcards(path)) {
        selected.push_back(make_selected(path, pivot));
        return;
    }
    bool any = false;
    for (const std::string& match : find_matches(source_, path)) {
        if (is_excluded(match, name_of(match))) continue;
        selected.push_back(make_selected(match, pivot));
        any = true;
    }
    if (!any)
        throw Error(ErrorKind::not_found, "no source files were specified: nothing matches {}",
                    written);
}

std::vector<Copier::Selected> Copier::select() const {
    std::vector<Selected> selected;
    for (const std::string& path : plan_.paths) select_written(path, selected);
    if (selected.size() > 1 && !plan_.destination.ends_with('/'))
        throw Error(ErrorKind::invalid_argument,
                    "When using COPY with more than one source file, the destination must be a "
                    "directory and end with a /");
    return selected;
}

void Copier::take(const Selected& selected) {
    Fd fd = linux_::find_in_root(source_, "/" + selected.path, O_PATH);
    if (!fd) throw_missing(selected.path);
    take_parents(selected);
    const struct stat info = sys::fstat(fd.get());
    if (!S_ISDIR(info.st_mode))
        return write({fd.get(), "", info, selected.path, selected.parents + selected.name});
    const std::string name = plan_.parents ? selected.parents + selected.name : "";
    if (plan_.parents && !selected.name.empty())
        write({fd.get(), "", info, selected.path, name});
    else if (!selected.path.empty())  // the destination may take its mode from it
        listing_(
            fmt::format("d {:o} {} {} {}", info.st_mode & 07777, plan_.keep_owner ? info.st_uid : 0,
                        plan_.keep_owner ? info.st_gid : 0, ""),
            selected.path);
    take_children(fd.get(), selected.path, name, "", 0);
    pending_.clear();
}

void Copier::take_parents(const Selected& selected) {
    const std::vector<std::string> parts = split_nonempty(selected.parents, '/');
    const std::string whole = directory_of(selected.path);
    for (std::size_t count = 1; count <= parts.size(); ++count) {
        const std::string name = join_parts({parts.begin(), parts.begin() + count});
        std::string path = whole;
        for (std::size_t up = count; up < parts.size(); ++up) path = directory_of(path);
        const Fd fd = linux_::find_in_root(source_, "/" + path, O_PATH);
        if (fd) write({fd.get(), "", sys::fstat(fd.get()), path, name});
    }
}

void Copier::take_children(int fd, const std::string& path, const std::string& name,
                           const std::string& below, int depth) {
    if (depth > max_depth)
        throw Error(ErrorKind::unsupported, "{}: directories nested deeper than {} cannot be read",
                    archive::quoted(path), max_depth);
    const auto joined = [](const std::string& above, const std::string& base) {
        return above.empty() ? base : above + "/" + base;
    };
    for (const std::string& base : list_names(fd))
        take_child(fd, base, joined(path, base), joined(name, base), joined(below, base), depth);
}

void Copier::take_child(int fd, const std::string& base, const std::string& path,
                        const std::string& name, const std::string& below, int depth) {
    struct stat info {};
    if (::fstatat(fd, base.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) return;
        throw_errno(errno, "{}", archive::quoted(path));
    }
    const bool excluded = is_excluded(path, below);
    Found found{fd, base, info, path, name};
    if (!S_ISDIR(info.st_mode)) {
        if (excluded) return;
        for (Pending& directory : pending_)
            if (!directory.found.name.empty()) {
                Found above = std::exchange(directory.found, {});
                above.parent = directory.fd.get();
                write(above);
            }
        return write(found);
    }
    if (excluded && can_skip(path, below)) return;
    Fd child = find_child(fd, base);
    if (!child) return;
    const std::size_t waiting = pending_.size();
    if (excluded) {
        pending_.push_back({sys::dup(child.get()), {-1, "", info, path, name}});
    } else {
        write(found);
    }
    take_children(child.get(), path, name, below, depth + 1);
    pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(waiting), pending_.end());
}

// ---------------------------------------------------------------- what is written

std::string Copier::tar_name(const std::string& name) const {
    return only_name_ ? *only_name_ : prefix_ + name;
}

void Copier::set_metadata(archive::Entry& entry, const struct stat& info) const {
    entry.mode = info.st_mode & 07777;
    if (!plan_.mode.empty() && entry.type != archive::EntryType::symlink)
        entry.mode =
            change_mode(entry.mode, entry.type == archive::EntryType::directory, plan_.mode);
    entry.uid = owner_ ? owner_->uid : plan_.keep_owner ? info.st_uid : 0;
    entry.gid = owner_ ? owner_->gid : plan_.keep_owner ? info.st_gid : 0;
    entry.mtime = {plan_.mtime_s, 0};
}

Fd Copier::open_content(const Found& found) const {
    Fd content = found.base.empty() ? reopen(found.parent, O_RDONLY)
                                    : find_file_to_read(found.parent, found.base);
    if (!content) throw_missing(found.path);
    return content;
}

/// The content of a regular file and its attributes, as they stand in the listing.
std::string Copier::hash_file(const Found& found) {
    if (index_)
        if (auto known = index_->find(found.path, found.info)) return *known;
    const Fd content = open_content(found);
    Sha256 hash;
    while (const std::size_t count = sys::read(content.get(), buffer_))
        hash.update(std::span(buffer_).first(count));
    std::string text = hash.hex();
    const std::string xattrs = describe_xattrs(read_xattrs(content.get()));
    if (index_ && xattrs.empty()) index_->add(found.path, found.info, text);
    return text + xattrs;
}

/// Exactly `size` bytes go into the tar, because its header says so.
std::string Copier::copy_content(int fd, std::uint64_t size) {
    Sha256 hash;
    while (size > 0) {
        const std::size_t wanted = std::min<std::uint64_t>(size, buffer_.size());
        const std::size_t count = sys::read(fd, std::span(buffer_).first(wanted));
        if (count == 0) std::fill_n(buffer_.begin(), wanted, std::byte{0});
        const auto piece = std::span(buffer_).first(count == 0 ? wanted : count);
        hash.update(piece);
        tar_->write(piece);
        size -= piece.size();
    }
    return hash.hex();
}

void Copier::write_file(archive::Entry& entry, const Found& found, std::string& record) {
    if (!tar_) {
        record += hash_file(found);
        return;
    }
    const Fd content = open_content(found);
    entry.size = entry.stored_size = static_cast<std::uint64_t>(sys::fstat(content.get()).st_size);
    entry.xattrs = read_xattrs(content.get());
    const std::string xattrs = describe_xattrs(entry.xattrs);
    tar_->add(entry);
    record += copy_content(content.get(), entry.size) + xattrs;
}

/// A directory is only put onto a directory, and nothing else onto one. Source: tonistiigi/fsutil,
/// copy, as BuildKit uses it.
void Copier::check_below(const Found& found) {
    const bool is_directory = S_ISDIR(found.info.st_mode);
    const auto note_absent = [&] {
        if (is_directory) absent_.insert(found.name);
    };
    if (absent_.contains(directory_of(found.name))) return note_absent();
    const std::string name = tar_name(found.name);
    const Fd fd = linux_::find_in_root(below_, "/" + name, O_PATH | O_NOFOLLOW);
    if (!fd) return note_absent();
    const bool is_onto_directory = S_ISDIR(sys::fstat(fd.get()).st_mode);
    if (is_directory && !is_onto_directory)
        throw Error(ErrorKind::invalid_argument, "cannot copy to non-directory: /{}", name);
    if (!is_directory && is_onto_directory)
        throw Error(ErrorKind::invalid_argument, "cannot replace to directory /{} with file", name);
}

void Copier::write(const Found& found) {
    const auto type = entry_type(found.info.st_mode);
    if (!type) return;
    if (tar_ && below_ >= 0 && !found.name.empty()) check_below(found);
    archive::Entry entry;
    entry.type = *type;
    entry.name = tar_name(found.name);
    set_metadata(entry, found.info);
    std::string record = fmt::format("{} {:o} {} {} ", letter_of(*type), found.info.st_mode & 07777,
                                     plan_.keep_owner ? found.info.st_uid : 0,
                                     plan_.keep_owner ? found.info.st_gid : 0);
    if (plan_.keep_links && *type != archive::EntryType::directory && found.info.st_nlink > 1) {
        const auto [first, is_new] =
            linked_.try_emplace({found.info.st_dev, found.info.st_ino}, found.name);
        if (!is_new) {
            entry.type = archive::EntryType::hard_link;
            entry.link_target = tar_name(first->second);
            if (tar_) tar_->add(entry);
            listing_(fmt::format("h {}", first->second) + " " + found.name, found.path);
            return;
        }
    }
    if (*type == archive::EntryType::file) {
        write_file(entry, found, record);
    } else {
        const Fd fd =
            found.base.empty() ? sys::dup(found.parent) : find_child(found.parent, found.base);
        if (!fd) throw_missing(found.path);
        const archive::Entry whole = make_entry(fd.get(), found.info, *type, entry.name);
        entry.link_target = whole.link_target;
        entry.device_major = whole.device_major;
        entry.device_minor = whole.device_minor;
        entry.xattrs = whole.xattrs;
        if (tar_) tar_->add(entry);
        record += fmt::format("{}:{}", whole.device_major, whole.device_minor) +
                  describe_xattrs(whole.xattrs) + " " + sha256_hex(whole.link_target);
    }
    listing_(record + " " + found.name, found.path);
}

// ---------------------------------------------------------------- where it goes

/// Writes `path` and, before it, what is above it: as it is below, or new.
void Copier::make_directory(int below, const std::string& path, const Selected* like) {
    if (path.empty()) return;
    make_directory(below, directory_of(path), nullptr);
    archive::Entry entry;
    entry.type = archive::EntryType::directory;
    entry.name = path;
    if (const Fd fd = plan_.look_below
                          ? linux_::find_in_root(below, "/" + path, O_PATH | O_NOFOLLOW)
                          : Fd()) {
        const struct stat info = sys::fstat(fd.get());
        if (!S_ISDIR(info.st_mode))
            throw Error(ErrorKind::invalid_argument, "cannot copy to non-directory: /{}", path);
        tar_->add(make_entry(fd.get(), info, archive::EntryType::directory, path));
        return;
    }
    struct stat info {};
    info.st_mode = S_IFDIR | 0755;
    if (like) {
        const Fd source = linux_::find_in_root(source_, "/" + like->path, O_PATH);
        if (source) {
            info = sys::fstat(source.get());
            entry.xattrs = read_xattrs(source.get());
        }
        set_metadata(entry, info);
    } else {
        entry.mode = 0755;
        if (owner_) entry.uid = owner_->uid, entry.gid = owner_->gid;
        entry.mtime = {plan_.mtime_s, 0};
    }
    tar_->add(entry);
}

void Copier::prepare_destination(int below, const std::vector<Selected>& selected) {
    const std::string target = plan_.look_below ? resolve(below, plan_.destination)
                                                : join_parts(clean_parts(plan_.destination));
    const bool is_directory_there =
        target.empty() ||
        (plan_.look_below && linux_::find_in_root(below, "/" + target, O_PATH | O_DIRECTORY));
    const bool is_one_file = selected.size() == 1 && !selected[0].is_directory &&
                             !plan_.destination.ends_with('/') && !plan_.parents;
    if (is_one_file && !is_directory_there) {
        make_directory(below, directory_of(target), nullptr);
        only_name_ = target;
        return;
    }
    const Selected* like = nullptr;
    if (!plan_.parents)
        for (const Selected& source : selected)
            if (source.is_directory && !source.path.empty() && !like) like = &source;
    make_directory(below, target, like);
    prefix_ = target.empty() ? "" : target + "/";
    if (is_directory_there && plan_.look_below) below_ = below;
}

void Copier::write_listing(const Sink& sink) {
    listing_ = [&](std::string_view record, const std::string& path) {
        sink(std::string(record) + '\0' + path + '\0');
    };
    for (const Selected& selected : select()) take(selected);
    if (index_) index_->save();
}

void Copier::write_layer(int below, archive::TarWriter& tar, const Sink& sink) {
    listing_ = [&](std::string_view record, const std::string&) {
        sink(std::string(record) + '\0');
    };
    tar_ = &tar;
    if (!plan_.owner.empty()) {
        owner_ = find_owner(below, plan_.owner);
        // A number alone is both; a name alone has its own group.
        if (plan_.owner.find_first_not_of("0123456789") == std::string::npos)
            owner_->gid = owner_->uid;
    }
    const std::vector<Selected> selected = select();
    if (selected.empty() && linux_::find_in_root(below, "/" + resolve(below, plan_.destination),
                                                 O_PATH | O_DIRECTORY)) {
        tar_ = nullptr;
        return;  // a WORKDIR that is there
    }
    prepare_destination(below, selected);
    for (const Selected& source : selected) take(source);
    tar_ = nullptr;
    below_ = -1;
}

}  // namespace hull::files
