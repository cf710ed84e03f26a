#include "volume/volumes.hh"

#include "base/error.hh"
#include "base/sys.hh"
#include "volume/local_mount.hh"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace hull::volume {

namespace {

struct VolumesTest : testing::Test {
    VolumesTest() {
        std::string path = "/tmp/hull-volumes-XXXXXX";
        root = ::mkdtemp(path.data());
    }
    ~VolumesTest() override { sys::remove_tree(root); }
    /// As a daemon that starts has them.
    void open() {
        volumes.reset();
        database = std::make_unique<db::Database>(join(root, "db"));
        PluginDirectories none{join(root, "none"), {}};
        volumes = std::make_unique<Volumes>(Options{join(root, "volumes"), none}, *database);
    }
    Path data(const std::string& name) { return join(root, "volumes/" + name + "/_data"); }

    Path root;
    std::unique_ptr<db::Database> database;
    std::unique_ptr<Volumes> volumes;
};

std::string error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.message();
    }
    return "";
}

CreateRequest named(const std::string& name) { return {name, "", {}, {}, ""}; }

}  // namespace

TEST_F(VolumesTest, AreThereAgainWithTheNextDaemon) {
    open();
    CreateRequest request = named("data");
    request.labels = StringMap{{"a", "b"}};
    EXPECT_TRUE(volumes->create(request).is_new);
    EXPECT_FALSE(volumes->create(named("data")).is_new);
    const std::string anonymous = volumes->create(named("")).volume->name;
    open();
    EXPECT_EQ(volumes->get("data")->labels->at("a"), "b");
    EXPECT_FALSE(volumes->get("data")->options);
    EXPECT_TRUE(volumes->get(anonymous)->is_anonymous());
    EXPECT_EQ(volumes->list().size(), 2u);
}

TEST_F(VolumesTest, AreNotRemovedWhileSomebodyHasThem) {
    open();
    CreateRequest request = named("data");
    request.holder = "c1";
    volumes->create(request);
    volumes->hold("data", "c2");
    EXPECT_EQ(error_of([&] { volumes->remove("data", true); }),
              "remove data: volume is in use - [c1, c2]");
    EXPECT_EQ(error_of([&] { volumes->rename("data", "other"); }),
              "rename data: volume is in use - [c1, c2]");
    volumes->release("data", "c1");
    volumes->release("data", "c2");
    volumes->mount("data", "a copy");
    EXPECT_NE(error_of([&] { volumes->remove("data", false); }), "");
    volumes->unmount("data", "a copy");
    const Path leftover = volumes->remove("data", false);
    EXPECT_FALSE(sys::find_stat(data("data")));
    EXPECT_TRUE(sys::find_stat(leftover));
    EXPECT_EQ(error_of([&] { volumes->get("data"); }), "get data: no such volume");
    open();
    EXPECT_FALSE(sys::find_stat(leftover));
}

TEST_F(VolumesTest, AKillAnywhereInARemovalLeavesAllOrNothing) {
    open();
    volumes->create(named("before"));
    volumes->create(named("after"));
    write_file(join(data("before"), "file"), "x");
    // Put aside, and the row is still there.
    sys::mkdir_all(join(root, "volumes/.removed"), 0700);
    sys::rename(join(root, "volumes/after"), join(root, "volumes/.removed/after=1"));
    open();
    EXPECT_FALSE(volumes->find("after"));
    EXPECT_TRUE(volumes->find("before"));
    EXPECT_TRUE(sys::find_stat(join(data("before"), "file")));
}

TEST_F(VolumesTest, AKillAnywhereInARenameKeepsTheFiles) {
    open();
    volumes->create(named("old"));
    write_file(join(data("old"), "file"), "x");
    // The rows are written, the directory is not moved yet.
    Volume volume = *volumes->get("old");
    volume.name = "new";
    volume.arrives_from = "old";
    database->execute("DELETE FROM volumes");
    database->execute("INSERT INTO volumes (name, record) VALUES (?, ?)", volume.name,
                      json::dump(to_json(volume)));
    open();
    EXPECT_FALSE(volumes->find("old"));
    EXPECT_EQ(volumes->get("new")->arrives_from, "");
    EXPECT_TRUE(sys::find_stat(join(data("new"), "file")));
}

TEST_F(VolumesTest, DirectoriesOfAnOlderHullAreAdopted) {
    const std::string random(64, 'a');
    for (const std::string& name : {std::string("named"), random}) sys::mkdir_all(data(name), 0755);
    sys::mkdir_all(join(root, "volumes/no-volume"), 0755);
    open();
    EXPECT_FALSE(volumes->get("named")->is_anonymous());
    EXPECT_TRUE(volumes->get(random)->is_anonymous());
    EXPECT_EQ(volumes->list().size(), 2u);
}

TEST_F(VolumesTest, WhatWasBegunIsGoneWithTheNextDaemon) {
    open();
    volumes->create(named("data"));
    sys::mkdir(volumes->copy_directory("data"), 0700);
    { Volumes::Staging staging(*volumes); }
    sys::mkdir_all(join(root, "volumes/.new-1/_data"), 0700);
    open();
    EXPECT_EQ(sys::list_directory(join(root, "volumes/data")), std::vector<std::string>{"_data"});
    EXPECT_FALSE(sys::find_stat(join(root, "volumes/.new-1")));
}

TEST(LocalOptions, AreRefusedInDockersWords) {
    struct {
        StringMap options;
        const char* text;
    } const cases[] = {
        {{{"bogus", "1"}}, "invalid option: \"bogus\""},
        {{{"type", "tmpfs"}}, "missing required option: \"device\""},
        {{{"device", "x"}}, "missing required option: \"type\""},
        {{{"o", "bind"}}, "missing required option: \"device\""},
        {{{"size", "1.5g"}}, "invalid option size=\"1.5g\": 2m or more is needed"},
        {{{"size", "99999999999t"}}, "invalid option size=\"99999999999t\": 2m or more is needed"},
        {{{"mode", "8"}}, "invalid option mode=\"8\": an octal mode like 0750 is needed"},
        {{{"mode", "17777"}}, "invalid option mode=\"17777\": an octal mode like 0750 is needed"},
        {{{"uid", "root"}}, "invalid option uid=\"root\": a number is needed"},
        {{{"size", "64MB"}, {"uid", "0"}, {"mode", "02770"}}, ""},
    };
    for (const auto& [options, text] : cases) {
        Volume volume;
        volume.options = options;
        EXPECT_EQ(error_of([&] { check_local_options(volume); }), text);
    }
    Volume volume;
    volume.options = StringMap{{"size", "64k"}};
    EXPECT_EQ(size_limit(volume), 64u << 10);
}

TEST(VolumeNames, AreDockers) {
    EXPECT_EQ(error_of([] { check_volume_name("a_b.c-1"); }), "");
    for (const char* name : {"", ".a", "-a", "a/b", "a b", "a:b"})
        EXPECT_NE(error_of([&] { check_volume_name(name); }), "") << name;
    EXPECT_NE(error_of([] { check_volume_name(std::string(256, 'a')); }), "");
}

}  // namespace hull::volume
