#include "cli/stats_sample.hh"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

TEST(StatsSample, CpuIsWhatWasUsedOfWhatAllCpusCouldGive) {
    const StatsSample sample = make_stats_sample(json::parse(R"({
        "cpu_stats": {"cpu_usage": {"total_usage": 1500}, "system_cpu_usage": 20000, "online_cpus": 2},
        "precpu_stats": {"cpu_usage": {"total_usage": 1000}, "system_cpu_usage": 18000}})"));
    EXPECT_DOUBLE_EQ(sample.cpu_percent, 50);
}

TEST(StatsSample, OldDaemonsListTheirCpus) {
    const StatsSample sample = make_stats_sample(json::parse(R"({
        "cpu_stats": {"cpu_usage": {"total_usage": 500, "percpu_usage": [1, 2, 3, 4]}, "system_cpu_usage": 1000},
        "precpu_stats": {"cpu_usage": {"total_usage": 0}, "system_cpu_usage": 0}})"));
    EXPECT_DOUBLE_EQ(sample.cpu_percent, 200);
}

TEST(StatsSample, MemoryIsWithoutTheCacheThatCanGo) {
    const auto used = [](const char* stats) {
        return make_stats_sample(json::parse(
            std::string(R"({"memory_stats": {"usage": 1000, "limit": 4000, "stats": )") + stats +
            "}}"));
    };
    EXPECT_EQ(used(R"({"total_inactive_file": 400})").memory, 600);  // cgroup v1
    EXPECT_EQ(used(R"({"inactive_file": 300})").memory, 700);        // cgroup v2
    EXPECT_EQ(used(R"({"inactive_file": 3000})").memory, 1000);      // more than there is
    EXPECT_EQ(used("null").memory_percent, 25);
}

TEST(StatsSample, NothingIsZero) {
    const StatsSample sample = make_stats_sample(json::parse("{}"));
    EXPECT_EQ(sample.cpu_percent, 0);
    EXPECT_EQ(sample.memory_percent, 0);
    EXPECT_EQ(sample.pids, 0U);
}

}  // namespace
}  // namespace hull::cli
