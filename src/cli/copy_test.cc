// What goes into an archive and what comes out of one, by TreeArchive and unpack.
#include "archive/tar_writer.hh"
#include "base/error.hh"
#include "base/sys.hh"
#include "cli/tree_archive.hh"
#include "cli/unpack.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace hull::cli {
namespace {

using archive::Entry;
using archive::EntryType;

class CopyTest : public testing::Test {
protected:
    CopyTest() {
        char name[] = "/tmp/hull-copy-test-XXXXXX";
        root_ = ::mkdtemp(name);
        sys::mkdir(root_ + "/in", 0755);
        sys::mkdir(root_ + "/out", 0755);
    }
    ~CopyTest() override { sys::remove_tree(root_); }

    static std::string pack(TreeArchive& tree) {
        std::string bytes;
        std::byte buffer[777];
        while (const std::size_t count = tree.read(buffer))
            bytes.append(reinterpret_cast<const char*>(buffer), count);
        return bytes;
    }
    UnpackPlan plan(std::string name, std::string top, bool keep_owner = false) {
        return {root_ + "/out", std::move(name), std::move(top), keep_owner,
                [this](std::string_view text) { warnings_ += text; }};
    }
    static std::uint64_t unpack_bytes(const std::string& bytes, const UnpackPlan& plan) {
        archive::MemorySource source(bytes, 1000);
        return unpack(source, plan);
    }
    static mode_t mode(const Path& path) { return sys::find_stat(path).value().st_mode & 07777; }

    Path root_;
    std::string warnings_;
};

struct Member {
    EntryType type;
    std::string name, content;
    std::uint32_t mode = 0644;
};

std::string make_tar(const std::vector<Member>& members) {
    std::string bytes;
    archive::TarWriter tar([&](std::span<const std::byte> piece) {
        bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    });
    for (const Member& member : members) {
        Entry entry;
        entry.type = member.type;
        entry.name = member.name;
        entry.mode = member.mode;
        if (member.type == EntryType::file) {
            entry.size = entry.stored_size = member.content.size();
            tar.add_file(entry, member.content);
            continue;
        }
        entry.link_target = member.content;
        tar.add(entry);
    }
    tar.finish();
    return bytes;
}

TEST_F(CopyTest, ATreeComesOutAsItWentIn) {
    const Path in = root_ + "/in";
    sys::mkdir(in + "/sub", 0700);
    write_file(in + "/sub/file", std::string(300'000, 'x'), 0640);
    write_file(in + "/empty", "");
    sys::symlink("sub/file", in + "/link");
    ASSERT_EQ(::link((in + "/empty").c_str(), (in + "/twin").c_str()), 0);
    ASSERT_EQ(::mkfifo((in + "/pipe").c_str(), 0600), 0);
    const timespec times[2] = {{1'000'000'000, 5}, {1'000'000'000, 5}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (in + "/sub").c_str(), times, 0), 0);

    TreeArchive tree(in, "top", false);
    EXPECT_TRUE(tree.top_is_directory());
    EXPECT_EQ(unpack_bytes(pack(tree), plan("copy", "top")), 300'000U);
    const Path out = root_ + "/out/copy";
    EXPECT_EQ(read_file(out + "/sub/file"), std::string(300'000, 'x'));
    EXPECT_EQ(mode(out + "/sub/file"), 0640U);
    EXPECT_EQ(mode(out + "/sub"), 0700U);
    EXPECT_EQ(sys::find_stat(out + "/sub")->st_mtim.tv_sec, 1'000'000'000);
    EXPECT_TRUE(S_ISLNK(sys::find_stat(out + "/link")->st_mode));
    EXPECT_TRUE(S_ISFIFO(sys::find_stat(out + "/pipe")->st_mode));
    EXPECT_EQ(sys::find_stat(out + "/empty")->st_ino, sys::find_stat(out + "/twin")->st_ino);
}

TEST_F(CopyTest, ALinkAtTheTopIsCopiedOrFollowed) {
    write_file(root_ + "/in/file", "hi");
    sys::symlink("file", root_ + "/in/link");
    TreeArchive kept(root_ + "/in/link", "link", false);
    unpack_bytes(pack(kept), plan("kept", "link"));
    EXPECT_TRUE(S_ISLNK(sys::find_stat(root_ + "/out/kept")->st_mode));
    TreeArchive followed(root_ + "/in/link", "link", true);
    unpack_bytes(pack(followed), plan("followed", "link"));
    EXPECT_EQ(read_file(root_ + "/out/followed"), "hi");
}

TEST_F(CopyTest, ALinkOfTheArchiveLeadsNowhere) {
    sys::mkdir(root_ + "/secret", 0755);
    for (const std::string& target : {root_ + "/secret", std::string("../secret")}) {
        SCOPED_TRACE(target);
        const std::string bytes = make_tar({{EntryType::directory, "top/", "", 0755},
                                            {EntryType::symlink, "top/door", target},
                                            {EntryType::file, "top/door/stolen", "x"}});
        EXPECT_THROW(unpack_bytes(bytes, plan("copy", "top")), Error);
        EXPECT_FALSE(sys::find_stat(root_ + "/secret/stolen"));
    }
}

TEST_F(CopyTest, NamesThatLeadOutsideAreRefused) {
    for (const char* name : {"../evil", "top/../../evil", "/../evil"}) {
        SCOPED_TRACE(name);
        EXPECT_THROW(unpack_bytes(make_tar({{EntryType::file, name, "x"}}), plan("copy", "top")),
                     Error);
        EXPECT_FALSE(sys::find_stat(root_ + "/evil"));
    }
    EXPECT_THROW(unpack_bytes(make_tar({{EntryType::hard_link, "top", "../../etc/passwd"}}),
                              plan("copy", "top")),
                 Error);
}

TEST_F(CopyTest, AnAbsoluteNameIsBelowTheDestination) {
    unpack_bytes(make_tar({{EntryType::file, "/absolute", "x"}}), plan("", ""));
    EXPECT_EQ(read_file(root_ + "/out/absolute"), "x");
}

TEST_F(CopyTest, AFileReplacesALinkAndNotWhatItPointsTo) {
    write_file(root_ + "/in/precious", "kept");
    sys::symlink(root_ + "/in/precious", root_ + "/out/file");
    unpack_bytes(make_tar({{EntryType::file, "file", "new"}}), plan("", ""));
    EXPECT_EQ(read_file(root_ + "/in/precious"), "kept");
    EXPECT_EQ(read_file(root_ + "/out/file"), "new");
}

TEST_F(CopyTest, ADirectoryIsNotReplacedByAFile) {
    sys::mkdir(root_ + "/out/there", 0755);
    EXPECT_THROW(unpack_bytes(make_tar({{EntryType::file, "there", "x"}}), plan("", "")), Error);
    EXPECT_TRUE(S_ISDIR(sys::find_stat(root_ + "/out/there")->st_mode));
}

TEST_F(CopyTest, SetuidBitsAndDevicesNeedAskingFor) {
    const std::string bytes = make_tar(
        {{EntryType::file, "program", "x", 04755}, {EntryType::char_device, "null", "", 0666}});
    unpack_bytes(bytes, plan("", ""));
    EXPECT_EQ(mode(root_ + "/out/program"), 0755U);
    EXPECT_FALSE(sys::find_stat(root_ + "/out/null"));
    EXPECT_NE(warnings_.find("null"), std::string::npos);
    if (::geteuid() != 0) return;
    unpack_bytes(bytes, plan("", "", true));
    EXPECT_EQ(mode(root_ + "/out/program"), 04755U);
    EXPECT_TRUE(S_ISCHR(sys::find_stat(root_ + "/out/null")->st_mode));
}

TEST_F(CopyTest, AReadOnlyDirectoryIsFilledFirst) {
    unpack_bytes(make_tar({{EntryType::directory, "d/", "", 0555}, {EntryType::file, "d/f", "x"}}),
                 plan("", ""));
    EXPECT_EQ(mode(root_ + "/out/d"), 0555U);
    EXPECT_EQ(read_file(root_ + "/out/d/f"), "x");
}

}  // namespace
}  // namespace hull::cli
