#include "archive/erofs_reader.hh"
#include "archive/erofs_writer.hh"
#include "archive/test_tar.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/process.hh"
#include "base/sys.hh"

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <random>

namespace hull::archive {
namespace {

using test::directory;
using test::file;
using test::link;
using test::pax;

/// A directory below /tmp that goes with the test.
class Scratch {
public:
    Scratch() {
        char name[] = "/tmp/hull-erofs-XXXXXX";
        if (!::mkdtemp(name)) throw_errno(errno, "mkdtemp");
        path_ = name;
    }
    ~Scratch() { sys::remove_tree(path_); }
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return join(path_, name); }

private:
    std::string path_;
};

Fd temporary_file() { return sys::open("/tmp", O_RDWR | O_TMPFILE, 0600); }

ErofsStatistics write_image(std::string_view tar, int fd) {
    MemorySource source(tar);
    TarReader reader(source);
    ErofsWriter writer(fd);
    writer.add_all(reader);
    return writer.finish();
}

int fsck(const std::string& image) {
    const Fd null = sys::open("/dev/null", O_RDWR);
    return Process::spawn({.arguments = {"/usr/bin/fsck.erofs", image},
                           .environment = {},
                           .descriptors = {{null.get(), 1}, {null.get(), 2}}})
        .wait()
        .docker_code();
}

/// What an image holds, one line per name: "type mode uid:gid detail".
std::map<std::string, std::string> listing(std::string_view tar) {
    const Scratch scratch;
    const std::string path = scratch / "image";
    const Fd image = sys::open(path, O_RDWR | O_CREAT, 0600);
    write_image(tar, image.get());
    EXPECT_EQ(fsck(path), 0);
    std::map<std::string, std::string> result;
    const ErofsReader reader(image.get());
    reader.walk([&](const std::string& name, const ErofsInode& inode) {
        std::string line;
        if (inode.is_whiteout())
            line = "whiteout";
        else if (S_ISDIR(inode.mode))
            line = fmt::format("dir {:o}", inode.mode & 07777);
        else if (S_ISLNK(inode.mode))
            line = "link " + reader.read_link(inode);
        else if (S_ISREG(inode.mode)) {
            std::string content(std::min<std::uint64_t>(inode.size, 100), '\0');
            reader.read(inode, 0, std::as_writable_bytes(std::span(content)));
            line = "file " + content;
            if (inode.link_count > 1) line += fmt::format(" x{}", inode.link_count);
        } else {
            line = fmt::format("special {:o} {}:{}", inode.mode & S_IFMT, inode.device_major,
                               inode.device_minor);
        }
        if (reader.xattrs(inode).contains("trusted.overlay.opaque")) line += " opaque";
        result[name] = line;
    });
    result.erase("");
    return result;
}

using Listing = std::map<std::string, std::string>;

std::string refusal(std::string_view tar) {
    try {
        const Fd image = temporary_file();
        write_image(tar, image.get());
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
        return error.message();
    }
    ADD_FAILURE() << "was accepted";
    return {};
}

TEST(Layer, MakesMissingParents) {
    EXPECT_EQ(listing(file("a/b/c", "x")),
              (Listing{{"a", "dir 755"}, {"a/b", "dir 755"}, {"a/b/c", "file x"}}));
    test::RawHeader closed;
    closed.name = "a/";
    closed.type = '5';
    closed.mode = "0000700";
    EXPECT_EQ(listing(file("a/f", "x") + closed.block()),  // told about later
              (Listing{{"a", "dir 700"}, {"a/f", "file x"}}));
}

TEST(Layer, LastDuplicateWins) {
    EXPECT_EQ(listing(file("f", "1") + file("./f", "2") + file("//f", "3")),
              (Listing{{"f", "file 3"}}));
    // Directories merge; other things replace each other, with all that was below.
    EXPECT_EQ(listing(directory("d/") + file("d/a", "1") + directory("d") + file("d/b", "2")),
              (Listing{{"d", "dir 755"}, {"d/a", "file 1"}, {"d/b", "file 2"}}));
    EXPECT_EQ(listing(directory("d/") + file("d/a", "1") + file("d", "now a file")),
              (Listing{{"d", "file now a file"}}));
    // And back: what lower layers have below d was removed by the file.
    EXPECT_EQ(listing(directory("d/") + file("d/a", "1") + file("d", "f") + directory("d/") +
                      file("d/b", "2")),
              (Listing{{"d", "dir 755 opaque"}, {"d/b", "file 2"}}));
    EXPECT_EQ(listing(link('2', "s", "/etc") + directory("s/") + file("s/x", "1")),
              (Listing{{"s", "dir 755 opaque"}, {"s/x", "file 1"}}));
}

TEST(Layer, WhiteoutsAndOpaqueDirectories) {
    EXPECT_EQ(listing(directory("d/") + file("d/.wh.gone", "") + file(".wh.top", "")),
              (Listing{{"d", "dir 755"}, {"d/gone", "whiteout"}, {"top", "whiteout"}}));
    const Listing opaque{{"d", "dir 755 opaque"}, {"d/.x", "file 1"}, {"d/y", "file 2"}};
    EXPECT_EQ(listing(directory("d/") + file("d/.wh..wh..opq", "") + file("d/.x", "1") +
                      file("d/y", "2")),
              opaque);
    EXPECT_EQ(listing(file("d/.x", "1") + file("d/y", "2") + file("d/.wh..wh..opq", "") +
                      directory("d/")),
              opaque);
    // A whiteout hides the lower layers only, whether it comes first or last.
    EXPECT_EQ(listing(file(".wh.f", "") + file("f", "new")), (Listing{{"f", "file new"}}));
    EXPECT_EQ(listing(file("f", "new") + file(".wh.f", "")), (Listing{{"f", "file new"}}));
    const Listing replaced{{"d", "dir 755 opaque"}, {"d/f", "file new"}};
    EXPECT_EQ(listing(file(".wh.d", "") + directory("d/") + file("d/f", "new")), replaced);
    EXPECT_EQ(listing(directory("d/") + file("d/f", "new") + file(".wh.d", "")), replaced);
    EXPECT_EQ(listing(file(".wh.d", "") + file("d/f", "new")), replaced);
    // AUFS bookkeeping is no file of the image.
    EXPECT_EQ(listing(directory(".wh..wh.plnk/") + file(".wh..wh.plnk/1.2", "x") +
                      file(".wh..wh.aufs", "")),
              Listing{});
}

TEST(Layer, HardLinksShareAnInodeInAnyOrder) {
    EXPECT_EQ(
        listing(file("a", "1") + link('1', "b", "a") + link('1', "d/c", "/b")),
        (Listing{{"a", "file 1 x3"}, {"b", "file 1 x3"}, {"d", "dir 755"}, {"d/c", "file 1 x3"}}));
    EXPECT_EQ(listing(link('1', "b", "a") + link('1', "c", "b") + file("a", "1")),
              (Listing{{"a", "file 1 x3"}, {"b", "file 1 x3"}, {"c", "file 1 x3"}}));
    // The link keeps the old content when its first name is replaced.
    EXPECT_EQ(listing(file("a", "1") + link('1', "b", "a") + file("a", "2")),
              (Listing{{"a", "file 2"}, {"b", "file 1"}}));
    EXPECT_EQ(listing(file("a", "1") + file(".wh.b", "") + link('1', "b", "a")),
              (Listing{{"a", "file 1 x2"}, {"b", "file 1 x2"}}));
    EXPECT_EQ(listing(link('2', "s", "x") + link('1', "t", "s")),  // the symlink itself
              (Listing{{"s", "link x"}, {"t", "link x"}}));
    EXPECT_EQ(listing(link('1', "b", "a") + file("b", "instead")),  // replaced while it waits
              (Listing{{"b", "file instead"}}));
    EXPECT_EQ(listing(file("a", "1") + link('1', "a", "a")), (Listing{{"a", "file 1"}}));
}

TEST(Layer, ReportsLinksIntoLowerLayers) {
    const std::string tar =
        link('1', "mine", "usr/lower") + link('1', "x", "y") + link('1', "y", "x") + test::end();
    MemorySource source(tar);
    TarReader reader(source);
    const Fd image = temporary_file();
    ErofsWriter writer(image.get());
    writer.add_all(reader);
    const auto unresolved = writer.unresolved_links();
    ASSERT_EQ(unresolved.size(), 3U);  // the cycle too
    EXPECT_EQ(unresolved[0].name, "mine");
    EXPECT_EQ(unresolved[0].target, "usr/lower");
    EXPECT_THROW(writer.finish(), Error);
    for (const UnresolvedLink& unresolved_link : unresolved) {
        MemorySource content("copied up");
        Entry like;
        like.size = 9;
        writer.resolve_link(unresolved_link, like, content);
    }
    writer.finish();
    const ErofsReader written(image.get());
    EXPECT_EQ(written.find("mine")->size, 9U);
}

TEST(Layer, FollowsSymlinksInsideTheLayerOnly) {
    EXPECT_EQ(listing(directory("usr/lib/") + link('2', "lib", "usr/lib") + file("lib/x", "1")),
              (Listing{{"lib", "link usr/lib"},
                       {"usr", "dir 755"},
                       {"usr/lib", "dir 755"},
                       {"usr/lib/x", "file 1"}}));
    EXPECT_EQ(listing(link('2', "up", "../../../..") + file("up/x", "1")),  // the root is the end
              (Listing{{"up", "link ../../../.."}, {"x", "file 1"}}));
    EXPECT_EQ(
        listing(link('2', "etc", "/elsewhere") + file("etc/passwd", "1")),
        (Listing{
            {"elsewhere", "dir 755"}, {"elsewhere/passwd", "file 1"}, {"etc", "link /elsewhere"}}));
    EXPECT_NE(refusal(link('2', "a", "b") + link('2', "b", "a") + file("a/x", ""))
                  .find("too many symlinks"),
              std::string::npos);
}

TEST(Layer, RefusesNamesThatLeadOutside) {
    for (const char* name : {"../x", "a/../../x", "a/..", "..", "/../x"}) {
        SCOPED_TRACE(name);
        EXPECT_NE(refusal(file(name, "")).find("leads out"), std::string::npos);
        EXPECT_NE(refusal(file("f", "") + link('1', "l", name)).find("leads out"),
                  std::string::npos);
    }
    EXPECT_EQ(listing(file("/etc/x", "1")), (Listing{{"etc", "dir 755"}, {"etc/x", "file 1"}}));
    EXPECT_NE(refusal(file(".wh.", "")).find("whiteout of no name"), std::string::npos);
    EXPECT_NE(refusal(file(".wh...", "")).find("whiteout of no name"), std::string::npos);
    EXPECT_NE(refusal(file("f", "") + file("f/x", "")).find("not a directory"), std::string::npos);
    EXPECT_NE(refusal(file("./", "").replace(156, 1, "2")), "");
    EXPECT_NE(refusal(link('1', "l", "/")).find("hard link to the root"), std::string::npos);
    EXPECT_NE(refusal(directory("d/") + link('1', "l", "d")).find("hard link to the directory"),
              std::string::npos);
    EXPECT_NE(refusal(link('2', "./", "x")).find("root is not a directory"), std::string::npos);
    EXPECT_NE(refusal(pax('x', {{"path", std::string(300, 'n')}}) + file("f", ""))
                  .find("longer than 255"),
              std::string::npos);
}

TEST(Layer, DropsOverlayOrdersOfStrangers) {
    const std::string tar = pax('x', {{"SCHILY.xattr.trusted.overlay.redirect", "/etc"},
                                      {"SCHILY.xattr.user.kept", "v"},
                                      {"SCHILY.xattr.odd.namespace", "v"}}) +
                            directory("d/") + test::end();
    MemorySource source(tar);
    TarReader reader(source);
    const Fd image = temporary_file();
    ErofsWriter writer(image.get());
    writer.add_all(reader);
    writer.finish();
    EXPECT_EQ(writer.warnings().size(), 2U);
    const ErofsReader written(image.get());
    EXPECT_EQ(written.xattrs(*written.find("d")),
              (std::map<std::string, std::string>{{"user.kept", "v"}}));
}

TEST(Erofs, SameTarGivesSameImage) {
    const std::string tar =
        directory("d/") + file("d/a", std::string(9000, 'a')) + link('1', "b", "d/a") + test::end();
    const Fd first = temporary_file(), second = temporary_file();
    const auto statistics = write_image(tar, first.get());
    write_image(tar, second.get());
    std::string left(statistics.image_bytes, '\0'), right = left;
    ASSERT_EQ(::pread(first.get(), left.data(), left.size(), 0), static_cast<ssize_t>(left.size()));
    ASSERT_EQ(::pread(second.get(), right.data(), right.size(), 0),
              static_cast<ssize_t>(right.size()));
    EXPECT_TRUE(left == right);
    EXPECT_EQ(statistics.entries, 3U);
    EXPECT_EQ(statistics.content_bytes, 9000U);
}

TEST(Erofs, HolesCostNothing) {
    const std::uint64_t size = 100ULL << 30;
    const std::string tar = pax('x', {{"GNU.sparse.map", fmt::format("{},1", size - 1)},
                                      {"GNU.sparse.size", fmt::format("{}", size)}}) +
                            file("sparse", "z") + file("zeros", std::string(4 << 20, '\0')) +
                            test::end();
    const Fd image = temporary_file();
    EXPECT_GT(write_image(tar, image.get()).image_bytes, size);
    EXPECT_LT(sys::fstat(image.get()).st_blocks * 512, 300'000);
    const ErofsReader reader(image.get());
    const auto inode = reader.find("sparse");
    std::byte last[2];
    EXPECT_EQ(reader.read(*inode, size - 2, last), 2U);
    EXPECT_EQ(last[1], std::byte{'z'});
    EXPECT_GE(reader.next_data(*inode, 0), size - 4096);
    EXPECT_NE(
        refusal(pax('x', {{"GNU.sparse.map", "0,1"}, {"GNU.sparse.size", "9223372036854775807"}}) +
                file("s", "z"))
            .find("more than an EROFS image can hold"),
        std::string::npos);
}

// What follows mounts images, the kernel being the judge.

/// Name, type, mode, owner, times, content, xattrs and hard links of a tree.
std::map<std::string, std::string> describe_tree(const std::string& root) {
    std::map<std::string, std::string> result;
    std::map<ino_t, std::string> first_name;
    std::vector<std::string> left{""};
    while (!left.empty()) {
        const std::string name = left.back();
        left.pop_back();
        const std::string path = root + "/" + name;
        const struct stat info = *sys::find_stat(path);
        const bool is_directory = S_ISDIR(info.st_mode);
        std::string line = fmt::format("{:o} {}:{} {}.{:09} {}:{}", info.st_mode, info.st_uid,
                                       info.st_gid, info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
                                       ::major(info.st_rdev), ::minor(info.st_rdev));
        if (!is_directory && info.st_nlink > 1)
            line += fmt::format(" x{} of {}", info.st_nlink,
                                first_name.try_emplace(info.st_ino, name).first->second);
        if (S_ISREG(info.st_mode)) {
            line += fmt::format(" {} bytes", info.st_size);
            if (info.st_size < (100 << 20)) line += " " + read_file(path, 100 << 20);
        }
        if (S_ISLNK(info.st_mode)) {
            std::string target(5000, '\0');
            target.resize(
                static_cast<std::size_t>(::readlink(path.c_str(), target.data(), target.size())));
            line += " -> " + target;
        }
        std::string names(65536, '\0');
        names.resize(static_cast<std::size_t>(
            std::max<ssize_t>(::llistxattr(path.c_str(), names.data(), names.size()), 0)));
        std::map<std::string, std::string> xattrs;
        for (std::size_t at = 0; at < names.size(); at += std::strlen(names.c_str() + at) + 1) {
            std::string value(65536, '\0');
            value.resize(static_cast<std::size_t>(std::max<ssize_t>(
                ::lgetxattr(path.c_str(), names.c_str() + at, value.data(), value.size()), 0)));
            xattrs[names.c_str() + at] = value;
        }
        for (const auto& [key, value] : xattrs) line += fmt::format(" {}={}", key, value);
        result[name] = line;
        if (is_directory) {
            const std::vector<std::string> children = sys::list_directory(path);
            for (auto child = children.rbegin(); child != children.rend(); ++child)
                left.push_back(name.empty() ? *child : name + "/" + *child);
        }
    }
    return result;
}

class MountedImage {
public:
    MountedImage(const std::string& image, const std::string& target) : target_(target) {
        const Fd context(static_cast<int>(::syscall(SYS_fsopen, "erofs", 1)));
        if (!context) throw_errno(errno, "fsopen");
        if (::syscall(SYS_fsconfig, context.get(), 1, "source", image.c_str(), 0) != 0 ||
            ::syscall(SYS_fsconfig, context.get(), 6, nullptr, nullptr, 0) != 0)
            throw_errno(errno, "fsconfig");
        const Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), 1, 0)));
        if (!mount || ::syscall(SYS_move_mount, mount.get(), "", AT_FDCWD, target.c_str(), 4) != 0)
            throw_errno(errno, "mounting");
    }
    ~MountedImage() { ::syscall(SYS_umount2, target_.c_str(), 2); }

private:
    std::string target_;
};

void run(const std::vector<std::string>& arguments) {
    Command command;
    command.arguments = arguments;
    ASSERT_EQ(Process::spawn(command).wait().docker_code(), 0) << arguments[0];
}

/// Files that try the corners of EROFS, made on the host.
void make_corner_cases(const std::string& root) {
    for (const std::size_t size : {0, 1, 100, 2047, 2048, 2049, 4031, 4032, 4095, 4096, 4097, 6144,
                                   8191, 8192, 8193, 300'000}) {
        std::string content;
        while (content.size() < size) content += fmt::format("{} of {}\n", content.size(), size);
        content.resize(size);
        write_file(join(root, fmt::format("size-{}", size)), content);
    }
    sys::mkdir(join(root, "many"), 0755);
    for (int i = 0; i < 3000; ++i)
        write_file(join(root, fmt::format("many/{}-{}", std::string(i % 200, 'n'), i)), "");
    for (const char* name : {"!first", "-dash", "~last", "new\nline", "\xff\xfe", "a", "a.b"})
        write_file(join(root, fmt::format("many/{}", name)), name);
    std::string deep = root;
    for (int i = 0; i < 30; ++i) sys::mkdir(deep += "/" + std::string(100, 'd'), 0711);
    sys::symlink(std::string(3000, 't'), join(root, "long-link"));
    sys::symlink("short", join(root, "short-link"));
    const std::string special = join(root, "special");
    write_file(special, "setuid");
    ASSERT_EQ(::chown(special.c_str(), 2'000'000'000, 4'294'967'294), 0);
    ASSERT_EQ(::chmod(special.c_str(), 06755), 0);
    // A file capability of version 2: cap_net_raw+ep.
    constexpr unsigned char capability[20] = {1, 0, 0, 2, 0, 32};
    ASSERT_EQ(::setxattr(special.c_str(), "security.capability", capability, 20, 0), 0);
    const std::string big_value(3000, 'v');
    ::setxattr(special.c_str(), "user.big", big_value.data(), big_value.size(), 0);
    ::setxattr(special.c_str(), "trusted.t", "x", 1, 0);
    ASSERT_EQ(::link(special.c_str(), join(root, "special-too").c_str()), 0);
    ASSERT_EQ(::mkfifo(join(root, "fifo").c_str(), 0620), 0);
    ASSERT_EQ(::mknod(join(root, "device").c_str(), S_IFBLK | 0660, ::makedev(259, 70'000)), 0);
    const timespec old[2] = {{-100, 500'000'000}, {-100, 500'000'000}};
    ASSERT_EQ(::utimensat(AT_FDCWD, join(root, "size-1").c_str(), old, 0), 0);
    const timespec late[2] = {{9'000'000'000, 1}, {9'000'000'000, 1}};
    ASSERT_EQ(::utimensat(AT_FDCWD, join(root, "size-2048").c_str(), late, 0), 0);
    ASSERT_EQ(::chmod(root.c_str(), 01777), 0);
}

TEST(Erofs, KernelSeesWhatGnuTarUnpacks) {
    const Scratch scratch;
    const std::string made = scratch / "made", tar = scratch / "tar", image = scratch / "image";
    sys::mkdir(made, 0755);
    make_corner_cases(made);
    const Fd sparse = sys::open(join(made, "sparse"), O_WRONLY | O_CREAT, 0600);
    sys::pwrite_all(sparse.get(), "middle", 5'000'000);
    sys::ftruncate(sparse.get(), 20'000'000);
    for (const char* version : {"0.0", "0.1", "1.0", "gnu"}) {
        SCOPED_TRACE(version);
        const bool gnu = version == std::string("gnu");
        std::vector<std::string> command{"/usr/bin/tar", "-C", made,
                                         "-cSf",         tar,  "--numeric-owner"};
        if (gnu)
            command.push_back("--format=gnu");
        else
            command.insert(command.end(), {"--format=posix", "--xattrs", "--xattrs-include=*",
                                           std::string("--sparse-version=") + version});
        command.push_back(".");
        run(command);
        const Fd input = sys::open(tar, O_RDONLY);
        const Fd output = sys::open(image, O_RDWR | O_CREAT | O_TRUNC, 0600);
        FdSource source(input.get());
        TarReader reader(source);
        ErofsWriter writer(output.get());
        writer.add_all(reader);
        writer.finish();
        EXPECT_EQ(fsck(image), 0);

        const std::string unpacked = scratch / "unpacked", mounted = scratch / "mounted";
        sys::mkdir(unpacked, 0755);
        sys::mkdir(mounted, 0755);
        run({"/usr/bin/tar", "-C", unpacked, "-xpf", tar, "--numeric-owner", "--xattrs",
             "--xattrs-include=*"});
        const auto expected = describe_tree(unpacked);
        EXPECT_GT(expected.size(), 3000U);
        {
            const MountedImage mount(image, mounted);
            EXPECT_EQ(describe_tree(mounted), expected);
        }
        // The directory fallback gives the same once more.
        const std::string extracted = scratch / "extracted";
        sys::mkdir(extracted, 0755);
        const Fd root = sys::open(extracted, O_RDONLY | O_DIRECTORY);
        extract_erofs(ErofsReader(output.get()), root.get());
        EXPECT_EQ(describe_tree(extracted), expected);
        EXPECT_LT(sys::find_stat(join(extracted, "sparse"))->st_blocks * 512, 1'000'000);
        sys::remove_tree(unpacked);
        sys::remove_tree(extracted);
    }
}

TEST(Erofs, OverlayfsObeysWhiteoutsAndOpaque) {
    const Scratch scratch;
    sys::mkdir(scratch / "lower-mount", 0755);
    sys::mkdir(scratch / "upper-mount", 0755);
    sys::mkdir(scratch / "merged", 0755);
    const auto make = [&](const std::string& name, const std::string& tar) {
        const Fd image = sys::open(scratch / name, O_RDWR | O_CREAT, 0600);
        write_image(tar + test::end(), image.get());
    };
    make("lower",
         file("gone", "") + file("kept", "") + file("opaque/old", "") + file("merge/old", ""));
    make("upper", file(".wh.gone", "") + file("opaque/new", "") + file("opaque/.wh..wh..opq", "") +
                      file("merge/new", ""));
    const MountedImage lower(scratch / "lower", scratch / "lower-mount");
    const MountedImage upper(scratch / "upper", scratch / "upper-mount");
    const std::string merged = scratch / "merged";
    run({"/usr/bin/mount", "-t", "overlay", "overlay", "-o",
         "lowerdir=" + (scratch / "upper-mount") + ":" + (scratch / "lower-mount"), merged});
    const auto top = sys::list_directory(merged);
    const auto opaque = sys::list_directory(join(merged, "opaque"));
    const auto merge = sys::list_directory(join(merged, "merge"));
    ::syscall(SYS_umount2, merged.c_str(), 2);
    EXPECT_EQ(top, (std::vector<std::string>{"kept", "merge", "opaque"}));
    EXPECT_EQ(opaque, std::vector<std::string>{"new"});
    EXPECT_EQ(merge, (std::vector<std::string>{"new", "old"}));
}

TEST(ErofsReader, ThrowsOnDamagedImagesAndNothingElse) {
    const Fd image = temporary_file();
    std::string tar = directory("d/");
    for (int i = 0; i < 300; ++i)
        tar += file(fmt::format("d/file-{}", i), std::string(i * 20, 'c'));
    tar += pax('x', {{"SCHILY.xattr.user.a", "value"}}) + file("x", "") + link('2', "s", "x");
    const auto statistics = write_image(tar, image.get());
    std::string whole(statistics.image_bytes, '\0');
    ASSERT_EQ(::pread(image.get(), whole.data(), whole.size(), 0),
              static_cast<ssize_t>(whole.size()));
    // Metadata is at the end: that is where damage is interesting.
    const std::size_t begin = whole.size() * 2 / 3;
    std::mt19937 random(7);
    std::byte buffer[4096];
    for (int round = 0; round < 1500; ++round) {
        const Fd damaged = temporary_file();
        std::string bytes = whole;
        for (int i = 0; i < 4; ++i)
            bytes[i == 0 && round % 10 == 0 ? 1024 + random() % 128
                                            : begin + random() % (bytes.size() - begin)] =
                static_cast<char>(random());
        if (round % 7 == 0) bytes.resize(random() % bytes.size());
        sys::pwrite_all(damaged.get(), bytes, 0);
        try {
            const ErofsReader reader(damaged.get());
            reader.walk([&](const std::string&, const ErofsInode& inode) {
                reader.xattrs(inode);
                if (S_ISREG(inode.mode)) reader.read(inode, 0, buffer);
                if (S_ISLNK(inode.mode)) reader.read_link(inode);
            });
        } catch (const Error& error) {
            ASSERT_EQ(error.kind(), ErrorKind::data_loss) << error.message();
        }
    }
}

}  // namespace
}  // namespace hull::archive
