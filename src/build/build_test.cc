#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"
#include "build/dockerfile/archive_head.hh"
#include "build/history.hh"
#include "build/listing.hh"
#include "build/record.hh"
#include "build/remote.hh"
#include "build/step_inputs.hh"
#include "build/transcript.hh"
#include "build/waste.hh"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace hull::build {
namespace {

using namespace std::string_literals;

/// A listing of records and the paths they are of.
Listing make_listing(const std::vector<std::pair<std::string, std::string>>& records) {
    std::string text;
    for (const auto& [record, path] : records) text += record + '\0' + path + '\0';
    return Listing(text);
}

TEST(Listing, NamesWhatChangedOfEachFile) {
    const Listing before = make_listing({{"f 644 0 0 aa app.c", "src/app.c"},
                                         {"f 644 0 0 bb package.json", "package.json"},
                                         {"f 644 0 0 cc gone", "gone"},
                                         {"d 755 0 0 0:0 00 dir", "dir"},
                                         {"l 777 0 0 0:0 11 link", "link"}});
    const Listing now = make_listing({{"f 644 0 0 xx app.c", "src/app.c"},
                                      {"f 755 1 2 bb package.json", "package.json"},
                                      {"f 644 0 0 dd name with blanks", "name with blanks"},
                                      {"f 644 0 0 ee dir", "dir"},
                                      {"l 777 0 0 0:0 22 link", "link"}});
    EXPECT_EQ(explain_files(before, now),
              "dir is a file, was a directory; link target; name with blanks is new; package.json "
              "mode 0644→0755, owner 0:0→1:2; src/app.c content; gone is gone");
    EXPECT_EQ(explain_files(now, now), "");
}

TEST(Listing, DigestIsOfFilesAndNotOfWhereTheyLie) {
    EXPECT_EQ(make_listing({{"f 644 0 0 aa x", "one/x"}}).digest(),
              make_listing({{"f 644 0 0 aa x", "two/x"}}).digest());
    EXPECT_NE(make_listing({{"f 644 0 0 aa x", "x"}}).digest(),
              make_listing({{"f 644 0 0 ab x", "x"}}).digest());
    // A torn one is read as far as it goes.
    EXPECT_EQ(explain_files(Listing("f 644"), Listing("")), "");
}

TEST(Listing, NamesAtMostTenFiles) {
    std::vector<std::pair<std::string, std::string>> files;
    for (int i = 10; i < 25; ++i)
        files.emplace_back(fmt::format("f 644 0 0 aa {}", i), std::to_string(i));
    EXPECT_TRUE(explain_files(Listing(), make_listing(files)).ends_with("19 is new; and 5 more"));
}

TEST(StepInputs, ExplainsEachInput) {
    StepInputs before, now;
    before.add("command", "make");
    now.add("command", "make all");
    before.add("the step before it", std::string(64, 'a'));
    now.add("the step before it", std::string(64, 'b'));
    before.add("build argument X", "1");
    now.add("build argument Y", "2");
    EXPECT_EQ(explain_difference(before, now),
              "command 'make' → 'make all'; the step before it; build argument Y is new; build "
              "argument X is gone");
    EXPECT_EQ(explain_difference(before, before), "");
    EXPECT_NE(before.key(), now.key());
    EXPECT_EQ(StepInputs::parse(before.to_json()).key(), before.key());
}

TEST(StepInputs, FilesAreNamed) {
    StepInputs before, now;
    before.add_files("content", make_listing({{"f 644 0 0 aa x", "d/x"}}));
    now.add_files("content", make_listing({{"f 600 0 0 aa x", "d/x"}}));
    EXPECT_EQ(explain_difference(before, now), "d/x mode 0644→0600");
    // Without the old listing only the input is known.
    EXPECT_EQ(explain_difference(StepInputs::parse(before.to_json()), now), "content");
}

TEST(StepInputs, NamesAndValuesDoNotRunTogether) {
    StepInputs one, two;
    one.add("ab", "c");
    two.add("a", "bc");
    EXPECT_NE(one.key(), two.key());
}

TEST(GitAddress, FormsAndQueries) {
    EXPECT_FALSE(parse_git_address("dir/file"));
    EXPECT_FALSE(parse_git_address("https://example.org/archive.tar.gz"));
    const auto fragment = parse_git_address("https://example.org/r.git#v1:sub/dir");
    ASSERT_TRUE(fragment);
    EXPECT_EQ(fragment->url, "https://example.org/r.git");
    EXPECT_EQ(fragment->ref, "v1");
    EXPECT_EQ(fragment->subdir, "sub/dir");
    const auto query = parse_git_address("git://h/r?branch=b&subdir=s&checksum=abc&submodules=0");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->ref, "refs/heads/b");
    EXPECT_EQ(query->subdir, "s");
    EXPECT_EQ(query->checksum, "abc");
    EXPECT_EQ(query->submodules, false);
    EXPECT_EQ(parse_git_address("github.com/owner/name")->url, "https://github.com/owner/name");
    EXPECT_EQ(parse_git_address("git@host:r.git")->url, "git@host:r.git");
    EXPECT_THROW(parse_git_address("git://h/r?unknown=1"), Error);
    EXPECT_THROW(parse_git_address("git://h/r?submodules=maybe"), Error);
}

TEST(Remote, NamesAndTimes) {
    EXPECT_EQ(name_in_url("http://h/a/b.txt?x=/y#z"), "b.txt");
    EXPECT_EQ(name_in_url("http://h/a/"), "");
    EXPECT_EQ(name_in_url("http://h"), "");
    EXPECT_EQ(name_in_url("http://h/.."), "");
    EXPECT_EQ(parse_http_time("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    EXPECT_FALSE(parse_http_time("yesterday"));
    EXPECT_FALSE(parse_http_time(""));
    EXPECT_TRUE(dockerfile::begins_archive("\x1f\x8b rest"));
    EXPECT_FALSE(dockerfile::begins_archive("text"));
    EXPECT_TRUE(dockerfile::begins_archive(std::string(257, '\0') + "ustar"));
}

TEST(Transcript, SpeaksInTheOrderOfStages) {
    std::string heard;
    Transcript transcript([&](const api::ProgressMessage& message) { heard += message.stream; }, 3,
                          false);
    transcript.say(1, "b");
    transcript.say(0, "a");
    transcript.say(2, "c");
    EXPECT_EQ(heard, "a");
    transcript.finish(1);
    transcript.finish(0);
    EXPECT_EQ(heard, "abc");
    transcript.say(2, "d");
    EXPECT_EQ(heard, "abcd");
}

TEST(Transcript, WhoFailsIsHeard) {
    std::string heard;
    Transcript transcript([&](const api::ProgressMessage& message) { heard += message.stream; }, 2,
                          false);
    transcript.say(1, "why");
    transcript.end_with(1);
    transcript.say(0, "more");
    EXPECT_EQ(heard, "why");
}

class HistoryTest : public testing::Test {
protected:
    HistoryTest() {
        char path[] = "/tmp/hull-history-XXXXXX";
        directory_ = ::mkdtemp(path);
    }
    ~HistoryTest() override { sys::remove_tree(directory_); }

    static BuildRecord make_record(const std::string& id, std::int64_t started_ns) {
        BuildRecord record;
        record.id = id;
        record.name = "name";
        record.started_ns = started_ns;
        return record;
    }
    Path directory_;
};

TEST_F(HistoryTest, KeepsStepsLogsAndWhatFailedStepsLeft) {
    {
        History history(directory_);
        History::Entry entry(history, make_record("aa", 1));
        EXPECT_THROW(History::Entry(history, make_record("aa", 2)), Error);
        entry.log(1, "second stage\n");
        entry.hide("secret\n");
        entry.log(0, "first ");
        entry.log(0, "stage secret secret\n");
        StepRecord step;
        step.number = 2;
        step.text = "RUN x";
        step.reason = "RUN: command 'a' → 'b'";
        entry.add_step(step);
        step.number = 1;
        step.cached = true;
        entry.add_step(step);
        FailedStep failed;
        failed.exit_code = 3;
        failed.layers.push_back({"sha256:d", "sha256:b", "type", 1, 2});
        entry.set_failed(failed);
        entry.finish(BuildStatus::failed, "why", "");
    }
    History history(directory_);
    const BuildRecord record = history.get("a");
    EXPECT_EQ(record.status, BuildStatus::failed);
    ASSERT_EQ(record.steps.size(), 2U);
    EXPECT_EQ(record.steps[1].reason, "RUN: command 'a' → 'b'");
    EXPECT_EQ(record.cached_count(), 1U);
    EXPECT_EQ(record.failed->exit_code, 3);
    EXPECT_EQ(history.log("aa"), "first stage *** ***\nsecond stage\n");
    EXPECT_TRUE(history.roots().layers.contains("sha256:d"));
    EXPECT_TRUE(history.roots().blobs.contains("sha256:b"));
    EXPECT_THROW(history.get("b"), Error);
}

TEST_F(HistoryTest, ABuildWithoutAnEndWasInterrupted) {
    sys::mkdir_all(directory_ + "/bb", 0700);
    write_file(directory_ + "/bb/record.json", json::dump(to_json(make_record("bb", 5))));
    sys::mkdir_all(directory_ + "/cc", 0700);
    write_file(directory_ + "/cc/record.json", "{ torn");
    const History history(directory_);
    ASSERT_EQ(history.list().size(), 1U);
    EXPECT_EQ(history.get("").status, BuildStatus::interrupted);
}

TEST(Waste, IsToldWhenItIsWorthIt) {
    EXPECT_EQ(waste_summary(json::parse("[]")), "");
    const char* layer = R"([{"unchanged":{"bytes":60000},"metadata":{"bytes":30000},)"
                        R"("deleted":{"bytes":%s}}])";
    std::string text = layer;
    text.replace(text.find("%s"), 2, "5");
    EXPECT_EQ(waste_summary(json::parse(text)), "");
    text = layer;
    text.replace(text.find("%s"), 2, "1910000");
    EXPECT_EQ(waste_summary(json::parse(text)),
              "2.0 MB are stored for nothing: hull build --waste shows them\n");
}

}  // namespace
}  // namespace hull::build
