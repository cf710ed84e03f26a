#include "names/directory.hh"
#include "names/message.hh"

#include <gtest/gtest.h>

namespace hull::names {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

/// A question for `name` as resolvers send it, with EDNS when `udp_size` is not 0.
std::string make_question(std::string_view name, Type type, std::uint16_t udp_size = 0) {
    std::string message("\x12\x34\x01\0\0\x01\0\0\0\0\0", 11);
    message += udp_size ? '\1' : '\0';
    message += make_answer(name)->data;
    message += '\0';
    message += static_cast<char>(type);
    message += std::string("\0\1", 2);
    if (udp_size) {
        message += std::string("\0\0\x29", 3);
        message += static_cast<char>(udp_size >> 8);
        message += static_cast<char>(udp_size & 0xff);
        message += std::string("\0\0\0\0\0\0", 6);
    }
    return message;
}

TEST(Message, AQuestionIsReadInLowerCase) {
    const std::string bytes = make_question("Web.Example", Type::a, 1400);
    const auto query = parse_query(bytes_of(bytes));
    ASSERT_TRUE(query);
    EXPECT_EQ(query->name, "web.example");
    EXPECT_EQ(query->id, 0x1234);
    EXPECT_TRUE(query->has_edns);
    EXPECT_EQ(query->udp_size, 1400);
    EXPECT_EQ(parse_query(bytes_of(make_question("web", Type::a)))->udp_size, 512);
}

TEST(Message, WhatIsNoQuestionIsNotAnswered) {
    const std::string good = make_question("web", Type::a);
    for (std::size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(parse_query(bytes_of(good.substr(0, size)))) << size;
    std::string reply = good, two = good, pointer = good, update = good;
    reply[2] = '\x81';
    two[5] = 2;
    pointer[12] = '\xc0';
    update[2] = '\x28';
    for (const std::string& bad : {reply, two, pointer, update})
        EXPECT_FALSE(parse_query(bytes_of(bad)));
}

TEST(Message, ADotInsideALabelIsNoSeparator) {
    std::string bytes = make_question("axb", Type::a);
    bytes[14] = '.';
    EXPECT_NE(parse_query(bytes_of(bytes))->name, "a.b");
}

TEST(Message, AReplyHasTheQuestionAndFitsTheLimit) {
    const std::string bytes = make_question("web", Type::a);
    const auto query = parse_query(bytes_of(bytes));
    const std::vector<Answer> answers(100, make_answer(linux_::IpAddress::get("10.0.0.1")));
    const std::string all = make_reply(*query, bytes_of(bytes), Code::no_error, answers, 65535);
    EXPECT_EQ(all.size(), bytes.size() + 1600);
    EXPECT_TRUE(answers_query(bytes_of(all), 0x1234, *query, bytes_of(bytes)));
    EXPECT_FALSE(answers_query(bytes_of(all), 0x1235, *query, bytes_of(bytes)));
    const std::string part = make_reply(*query, bytes_of(bytes), Code::no_error, answers, 512);
    EXPECT_LE(part.size(), 512U);
    EXPECT_TRUE(part[2] & 2) << "truncated";
    const std::string other = make_question("wob", Type::a);
    EXPECT_FALSE(
        answers_query(bytes_of(all), 0x1234, *parse_query(bytes_of(other)), bytes_of(other)));
    EXPECT_EQ(code_of(bytes_of(make_reply(*query, bytes_of(bytes), Code::no_name, {}, 512))),
              Code::no_name);
}

TEST(Message, ReverseNamesAreAddresses) {
    EXPECT_EQ(parse_reverse_name("2.0.17.172.in-addr.arpa")->text(), "172.17.0.2");
    EXPECT_EQ(parse_reverse_name("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
                                 ".ip6.arpa")
                  ->text(),
              "2001:db8::1");
    for (const char* bad : {"in-addr.arpa", "x.0.17.172.in-addr.arpa", "1.2.3.in-addr.arpa",
                            "1.ip6.arpa", "web", ".in-addr.arpa"})
        EXPECT_FALSE(parse_reverse_name(bad)) << bad;
}

Record make_record(const std::string& id, std::vector<Membership> networks) {
    Record record;
    record.container_id = id;
    record.networks = std::move(networks);
    return parse_record(to_json(record));
}

TEST(Directory, NamesHoldWithinANetwork) {
    const auto address = [](const char* text) { return IpAddress::get(text); };
    Directory directory;
    directory.set(make_record("1", {{"n", "net", {"Web", "www"}, address("10.0.0.1"), {}, {}}}));
    directory.set(make_record(
        "2",
        {{"n", "net", {"db", "www"}, address("10.0.0.2"), address("fd00::2"), {{"data", "db"}}}}));
    directory.set(make_record("3", {{"m", "other", {"web"}, address("10.1.0.1"), {}, {}}}));
    const Record& asker = *directory.find("2");
    EXPECT_EQ(directory.find_addresses(asker, "web").addresses.size(), 1U);
    EXPECT_EQ(directory.find_addresses(asker, "www").addresses.size(), 3U);
    EXPECT_EQ(directory.find_addresses(asker, "web.net").addresses.at(0).text(), "10.0.0.1");
    EXPECT_FALSE(directory.find_addresses(asker, "web.other").is_known);
    EXPECT_TRUE(directory.find_addresses(asker, "data").is_known) << "its own link";
    EXPECT_FALSE(directory.find_addresses(*directory.find("1"), "data").is_known);
    EXPECT_EQ(directory.find_names(asker, address("10.0.0.1")).at(0), "web.net");
    EXPECT_TRUE(directory.find_names(asker, address("10.1.0.1")).empty());
    directory.set(make_record("1", {{"n", "net", {"new"}, address("10.0.0.9"), {}, {}}}));
    EXPECT_FALSE(directory.find_addresses(asker, "web").is_known);
    directory.remove("1");
    EXPECT_FALSE(directory.find_addresses(asker, "new").is_known);
    EXPECT_TRUE(directory.find_names(asker, address("10.0.0.9")).empty());
}

}  // namespace
}  // namespace hull::names
