#include "archive/byte_source.hh"
#include "archive/file_record.hh"
#include "archive/tar_reader.hh"
#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "files/changes.hh"
#include "files/owner.hh"
#include "files/request.hh"
#include "files/tree.hh"
#include "files/tree_tar.hh"
#include "files/tree_writer.hh"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

namespace hull::files {
namespace {

using archive::Entry;
using archive::EntryType;

class Directory {
public:
    Directory() {
        char name[] = "/tmp/hull-files-XXXXXX";
        if (!::mkdtemp(name)) throw_errno(errno, "mkdtemp");
        path = name;
    }
    ~Directory() { sys::remove_tree(path); }
    std::string operator/(const std::string& name) const { return join(path, name); }
    Fd open() const { return sys::open(path, O_PATH | O_DIRECTORY); }
    std::string path;
};

Entry entry(EntryType type, const std::string& name, std::uint32_t mode = 0644) {
    Entry made;
    made.type = type;
    made.name = name;
    made.mode = mode;
    made.uid = ::getuid();
    made.gid = ::getgid();
    made.mtime = {1000, 5};
    return made;
}

Entry file(const std::string& name, std::uint64_t size) {
    Entry made = entry(EntryType::file, name);
    made.size = size;
    return made;
}

struct Item {
    Entry entry;
    std::string data = {};
};

/// Writes the entries below `base` of `root`, as hull-files does.
void write(const Directory& root, const std::string& base, const std::vector<Item>& items,
           TreeWriter::Options options = {}) {
    std::string stream;
    archive::RecordWriter writer([&](std::span<const std::byte> bytes) {
        stream.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    for (const Item& item : items) {
        archive::MemorySource data(item.data);
        writer.add(item.entry, data);
    }
    writer.finish();
    archive::MemorySource source(stream, 13);
    archive::RecordReader records(source);
    if (!options.warn) options.warn = [](std::string_view) {};
    const Fd fd = root.open();
    TreeWriter(fd.get(), base, std::move(options)).write_all(records);
}

std::vector<Entry> read_tar(const std::string& bytes) {
    archive::MemorySource source(bytes);
    archive::TarReader reader(source);
    std::vector<Entry> entries;
    while (const Entry* found = reader.next_entry()) entries.push_back(*found);
    return entries;
}

std::string tar_of(const Directory& root, TreeTar::Options options = {}) {
    std::string bytes;
    archive::TarWriter tar([&](std::span<const std::byte> piece) {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    const Fd fd = root.open();
    TreeTar(tar, std::move(options)).add_children(fd.get(), "");
    tar.finish();
    return bytes;
}

std::vector<std::string> changes_of(const Directory& upper, const Directory& lower) {
    std::vector<std::string> lines;
    const Fd above = upper.open(), below = lower.open();
    list_changes(above.get(), below.get(), [&](ChangeKind kind, const std::string& path) {
        lines.push_back(std::string(1, "CAD"[static_cast<int>(kind)]) + " " + path);
    });
    return lines;
}

TEST(TreeWriter, MakesEveryKindOfFile) {
    const Directory root;
    Entry sparse = file("dir/sparse", 1 << 20);
    sparse.sparse = true;
    sparse.extents = {{4096, 2}, {1 << 19, 3}};
    Entry link = entry(EntryType::symlink, "dir/link");
    link.link_target = "/anything/../at all";
    Entry hard = entry(EntryType::hard_link, "hard");
    hard.link_target = "dir/file";
    write(root, "/",
          {{entry(EntryType::directory, "dir", 01750)},
           {file("dir/file", 5), "hello"},
           {sparse, "abcde"},
           {link},
           {hard},
           {entry(EntryType::fifo, "fifo", 0600)},
           {file("made/for/it", 0)}});
    EXPECT_EQ(read_file(root / "dir/file"), "hello");
    struct stat info {};
    ASSERT_EQ(::stat((root / "dir").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 01750U);
    EXPECT_EQ(info.st_mtim.tv_sec, 1000);  // although files were made in it afterwards
    ASSERT_EQ(::stat((root / "hard").c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 2U);
    const std::string content = read_file(root / "dir/sparse");
    EXPECT_EQ(content.size(), 1U << 20);
    EXPECT_EQ(content.substr(4096, 2), "ab");
    EXPECT_EQ(content.substr(1 << 19, 3), "cde");
    ASSERT_EQ(::stat((root / "dir/sparse").c_str(), &info), 0);
    EXPECT_LT(info.st_blocks, 100);
    EXPECT_TRUE(S_ISFIFO(sys::find_stat(root / "fifo")->st_mode));
    EXPECT_TRUE(sys::find_stat(root / "made/for/it"));
}

TEST(TreeWriter, LinksOnTheWayLeadNowhereOutsideTheRoot) {
    const Directory outside, root;
    sys::mkdir(root / "base", 0755);
    sys::symlink(outside.path, root / "base/absolute");
    sys::symlink("../../../../../../../.." + outside.path, root / "base/relative");
    sys::mkdir_all(root.path + outside.path, 0755);  // where the links lead inside
    for (const char* name : {"absolute", "relative"}) {
        write(root, "/base", {{file(std::string(name) + "/file", 1), "x"}});
        EXPECT_EQ(sys::list_directory(outside.path), std::vector<std::string>());
        EXPECT_EQ(read_file(root.path + outside.path + "/file"), "x");
        sys::unlink(root.path + outside.path + "/file");
    }
}

TEST(TreeWriter, NeverWritesThroughWhatIsThere) {
    const Directory outside, root;
    write_file(outside / "victim", "old");
    sys::symlink(outside / "victim", root / "link");
    ASSERT_EQ(::link((outside / "victim").c_str(), (root / "hard").c_str()), 0);
    write(root, "/", {{file("link", 3), "new"}, {file("hard", 3), "new"}});
    EXPECT_EQ(read_file(outside / "victim"), "old");
    EXPECT_EQ(read_file(root / "link"), "new");
    EXPECT_EQ(read_file(root / "hard"), "new");
}

TEST(TreeWriter, ADirectoryAndAFileReplaceEachOtherUnlessKindsAreKept) {
    const Directory root;
    TreeWriter::Options keep;
    keep.keep_kinds = true;
    sys::mkdir_all(root / "a/deep", 0755);
    EXPECT_THROW(write(root, "/", {{file("a", 1), "x"}}, keep), Error);
    write(root, "/", {{file("a", 1), "x"}});
    EXPECT_EQ(read_file(root / "a"), "x");
    EXPECT_THROW(write(root, "/", {{entry(EntryType::directory, "a", 0755)}}, keep), Error);
    write(root, "/", {{entry(EntryType::directory, "a", 0755)}});
    EXPECT_TRUE(S_ISDIR(sys::find_stat(root / "a")->st_mode));
    EXPECT_THROW(write(root, "/", {{file("", 0)}}), Error);
}

TEST(TreeTar, EqualTreesGiveEqualBytes) {
    const Directory one, two;
    for (const Directory* root : {&one, &two})
        write(*root, "/",
              {{file(root == &one ? "b" : "a", 1), "x"}, {file(root == &one ? "a" : "b", 1), "x"}});
    EXPECT_EQ(tar_of(one), tar_of(two));
}

TEST(TreeTar, HolesStayHolesWhereThatIsAsked) {
    const Directory root;
    const Fd file = sys::open(root / "file", O_WRONLY | O_CREAT, 0644);
    sys::ftruncate(file.get(), 50 << 20);
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, 20 << 20), 6);
    EXPECT_GT(tar_of(root).size(), 50U << 20);
    const std::string sparse = tar_of(root, {.keep_holes = true});
    EXPECT_LT(sparse.size(), 1U << 20);
    const std::vector<Entry> entries = read_tar(sparse);
    ASSERT_EQ(entries.size(), 1U);
    EXPECT_EQ(entries[0].name, "file");
    EXPECT_EQ(entries[0].size, 50U << 20);
    ASSERT_EQ(entries[0].extents.size(), 1U);
    EXPECT_LE(entries[0].extents[0].offset, 20U << 20);
    EXPECT_GT(entries[0].extents[0].offset, 10U << 20);
}

TEST(TreeTar, HardLinksStayLinksAndHiddenDirectoriesAreEmpty) {
    const Directory root;
    write_file(root / "a", "data");
    ASSERT_EQ(::link((root / "a").c_str(), (root / "b").c_str()), 0);
    sys::mkdir_all(root / "top/proc", 0755);
    write_file(root / "top/proc/kcore", "never");
    const struct stat hidden = *sys::find_stat(root / "top/proc");
    const auto entries =
        read_tar(tar_of(root, {.is_layer = false, .hidden = {{hidden.st_dev, hidden.st_ino}}}));
    std::vector<std::string> names;
    for (const Entry& found : entries) names.push_back(found.name);
    EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "top/", "top/proc/"}));
    EXPECT_EQ(entries[1].type, EntryType::hard_link);
    EXPECT_EQ(entries[1].link_target, "a");
}

TEST(TreeTar, ALayerHasWhiteoutsOpaqueDirectoriesAndNoOverlayAttributes) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const Directory upper;
    sys::mkdir(upper / "d", 0755);
    ASSERT_EQ(::mknod((upper / "d/gone").c_str(), S_IFCHR, 0), 0);
    if (::setxattr((upper / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0) != 0)
        GTEST_SKIP() << "no trusted attributes here";
    ::setxattr((upper / "d").c_str(), "user.mine", "v", 1, 0);
    const auto entries = read_tar(tar_of(upper, {.is_layer = true, .hidden = {}}));
    ASSERT_EQ(entries.size(), 3U);
    EXPECT_EQ(entries[0].xattrs, (std::map<std::string, std::string>{{"user.mine", "v"}}));
    EXPECT_EQ(entries[1].name, "d/.wh..wh..opq");
    EXPECT_EQ(entries[2].name, "d/.wh.gone");
    EXPECT_EQ(entries[2].type, EntryType::file);
    write_file(upper / ".wh.real", "");
    EXPECT_THROW(tar_of(upper, {.is_layer = true, .hidden = {}}), Error);
}

TEST(Changes, KindsAndParents) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    const Directory upper, lower;
    for (const Directory* root : {&upper, &lower}) {
        sys::mkdir_all(*root / "same/deep", 0755);
        sys::mkdir(*root / "looked_at", 0755);
    }
    write_file(lower / "file", "a");
    write_file(upper / "file", "b");
    write_file(upper / "same/deep/new", "");
    write_file(lower / "same/old", "");
    ASSERT_EQ(::mknod((upper / "same/old").c_str(), S_IFCHR, 0), 0);
    ASSERT_EQ(::mknod((upper / "never_was").c_str(), S_IFCHR, 0), 0);
    // Equal times: only what is below tells that "same" and "deep" changed.
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    for (const Directory* root : {&upper, &lower})
        for (const char* name : {"same/deep", "same", "looked_at"})
            ASSERT_EQ(::utimensat(AT_FDCWD, (*root / name).c_str(), times, 0), 0);
    EXPECT_EQ(changes_of(upper, lower),
              (std::vector<std::string>{"C /file", "C /same", "C /same/deep", "A /same/deep/new",
                                        "D /same/old"}));
    const Directory untouched;
    EXPECT_EQ(changes_of(untouched, lower), std::vector<std::string>());
}

TEST(Places, TheLastLinkIsFollowedOnlyWhenTheTypedPathSaysSo) {
    const Directory root;
    sys::mkdir_all(root / "data/sub", 0755);
    sys::symlink("/data", root / "link");
    sys::symlink("link/sub", root / "chain");
    sys::symlink("no/../where", root / "dangling");
    write_file(root / "data/file", "abc");
    const Fd fd = root.open();
    const auto stat_of = [&](const std::string& path) {
        return describe_place(fd.get(), path, find_place(fd.get(), path).value());
    };
    EXPECT_EQ(stat_of("/link").link_target, "/data");
    EXPECT_EQ(stat_of("/link").name, "link");
    EXPECT_EQ(stat_of("/chain").link_target, "/data/sub");
    EXPECT_EQ(stat_of("/dangling").link_target, "/where");
    EXPECT_EQ(stat_of("/link/").link_target, "");
    EXPECT_EQ(stat_of("/link/.").name, ".");
    EXPECT_EQ(stat_of("/").name, "/");
    EXPECT_EQ(stat_of("/data/").name, "data");
    EXPECT_EQ(stat_of("/data/file").size, 3U);
    EXPECT_EQ(stat_of("/data").mode, (1U << 31) | 0755);
    EXPECT_FALSE(find_place(fd.get(), "/nope"));
    EXPECT_FALSE(find_place(fd.get(), "/data/file/x"));
    EXPECT_THROW(find_place(fd.get(), "/data/file/."), Error);
}

TEST(Owners, NamesNumbersAndGroups) {
    const Directory root;
    sys::mkdir(root / "etc", 0755);
    write_file(root / "etc/passwd", "broken\nworker:x:77:78::/:/bin/sh\n5:x:9:10::/:/bin/sh\n");
    write_file(root / "etc/group", "crew:x:90:\n");
    const Fd fd = root.open();
    const auto ids = [&](const std::string& text) {
        const Owner owner = find_owner(fd.get(), text);
        return fmt::format("{}:{}", owner.uid, owner.gid);
    };
    EXPECT_EQ(ids("worker"), "77:78");
    EXPECT_EQ(ids("77"), "77:78");
    EXPECT_EQ(ids("5"), "9:10");  // a name wins over a number, as in Docker
    EXPECT_EQ(ids("1000"), "1000:0");
    EXPECT_EQ(ids("1000:1001"), "1000:1001");
    EXPECT_EQ(ids("worker:crew"), "77:90");
    EXPECT_THROW(ids("nobody"), Error);
    EXPECT_THROW(ids("worker:nogroup"), Error);
}

TEST(Requests, WhatIsWrittenIsRead) {
    Request request;
    request.verb = Verb::layer;
    request.path = "/a b";
    request.container = "name";
    request.parent_pid = 7;
    request.running = true;
    request.rootfs.lowers = {{linux_::LowerLayer::Kind::erofs_image, "/l.erofs"},
                             {linux_::LowerLayer::Kind::directory, "/skeleton"}};
    request.rootfs.upper = "/upper";
    request.rootfs.work = "/work";
    request.mounts = {{"/source", "/destination", true, false}};
    request.scratch = "/scratch";
    request.hidden = {"/proc"};
    request.keep_kinds = true;
    request.owner = "1:2";
    const std::string text = dump_request(request);
    EXPECT_EQ(dump_request(parse_request(text)), text);
    EXPECT_EQ(parse_request(text).rootfs.lowers[1].kind, linux_::LowerLayer::Kind::directory);
}

}  // namespace
}  // namespace hull::files
