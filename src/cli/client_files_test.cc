// config.json and contexts, in the layout of Docker's command line.
#include "base/error.hh"
#include "base/hash.hh"
#include "base/sys.hh"
#include "cli/config_file.hh"
#include "cli/context_endpoint.hh"
#include "cli/context_store.hh"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace hull::cli {
namespace {

class ClientFilesTest : public testing::Test {
protected:
    ClientFilesTest() {
        char name[] = "/tmp/hull-client-test-XXXXXX";
        root_ = ::mkdtemp(name);
    }
    ~ClientFilesTest() override { sys::remove_tree(root_); }
    Path root_;
};

TEST_F(ClientFilesTest, UnknownMembersStayWhenOneChanges) {
    write_file(root_ + "/config.json",
               R"({"credsStore": "pass", "auths": {"x": {}}, "plugins": {"p": {"hooks": "a"}}})",
               0640);
    ConfigFile config(root_);
    config.set("currentContext", "far");
    const json::Value content = json::parse(read_file(root_ + "/config.json"));
    EXPECT_EQ(content["credsStore"].as_string(), "pass");
    EXPECT_EQ(content["plugins"]["p"]["hooks"].as_string(), "a");
    EXPECT_EQ(content["currentContext"].as_string(), "far");
    EXPECT_EQ(sys::find_stat(root_ + "/config.json")->st_mode & 0777, 0640U);
    config.set("currentContext", nullptr);
    EXPECT_TRUE(ConfigFile(root_).get("currentContext").is_null());
    EXPECT_EQ(ConfigFile(root_).get("credsStore").as_string(), "pass");
}

TEST_F(ClientFilesTest, ANewFileIsTheUsersAlone) {
    ConfigFile config(root_ + "/new");
    EXPECT_TRUE(config.get("psFormat").is_null());
    config.set("currentContext", "far");
    EXPECT_EQ(sys::find_stat(root_ + "/new/config.json")->st_mode & 0777, 0600U);
    EXPECT_EQ(sys::find_stat(root_ + "/new")->st_mode & 0777, 0700U);
}

TEST_F(ClientFilesTest, ALinkToTheFileStaysALink) {
    write_file(root_ + "/real.json", "{}");
    sys::symlink("real.json", root_ + "/config.json");
    ConfigFile(root_).set("currentContext", "far");
    EXPECT_TRUE(S_ISLNK(sys::find_stat(root_ + "/config.json")->st_mode));
    EXPECT_NE(read_file(root_ + "/real.json").find("far"), std::string::npos);
}

TEST_F(ClientFilesTest, ABrokenFileIsNamed) {
    write_file(root_ + "/config.json", "{");
    ConfigFile config(root_);
    try {
        config.get("psFormat");
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(error.message().find(root_ + "/config.json"), std::string::npos);
    }
    write_file(root_ + "/config.json", "[]");
    EXPECT_THROW(ConfigFile(root_).get("psFormat"), Error);
}

TEST_F(ClientFilesTest, AContextLiesWhereDockerLooks) {
    const ContextStore store(root_);
    Context context;
    context.name = "far";
    context.metadata = json::Object{{"Name", "far"}};
    context.set_description("somewhere");
    context.set_endpoint("tcp://10.0.0.1:2376", true);
    store.save(context);
    store.save_tls("far", {{"ca.pem", "CA"}});
    const std::string id = sha256_hex("far");
    const json::Value meta = json::parse(read_file(root_ + "/contexts/meta/" + id + "/meta.json"));
    EXPECT_EQ(meta["Endpoints"]["docker"]["Host"].as_string(), "tcp://10.0.0.1:2376");
    EXPECT_EQ(meta["Metadata"]["Description"].as_string(), "somewhere");
    EXPECT_EQ(read_file(root_ + "/contexts/tls/" + id + "/docker/ca.pem"), "CA");
    EXPECT_EQ(sys::find_stat(root_ + "/contexts/tls/" + id)->st_mode & 0777, 0700U);

    const Context found = store.get("far");
    EXPECT_EQ(found.host(), "tcp://10.0.0.1:2376");
    EXPECT_TRUE(found.skip_tls_verify());
    EXPECT_EQ(store.read_tls("far"), (TlsFiles{{"ca.pem", "CA"}}));
    store.remove("far");
    EXPECT_FALSE(store.find("far"));
    EXPECT_FALSE(sys::find_stat(root_ + "/contexts/tls/" + id));
    EXPECT_THROW(store.get("far"), Error);
}

TEST_F(ClientFilesTest, ContextNames) {
    EXPECT_NO_THROW(check_context_name("a1"));
    EXPECT_NO_THROW(check_context_name("my.con_text+2-x"));
    for (const char* name : {"default", "", "a", "-a", ".a", "a b", "a/b", "../x"})
        EXPECT_THROW(check_context_name(name), Error) << name;
}

TEST_F(ClientFilesTest, WhatDockerEndpointsAreMadeOf) {
    write_file(root_ + "/ca", "CA");
    const ContextEndpoint endpoint =
        parse_context_endpoint({"host=ssh://me@far,skip-tls-verify=true,ca=" + root_ + "/ca"});
    EXPECT_EQ(endpoint.host, "ssh://me@far");
    EXPECT_TRUE(endpoint.skip_tls_verify);
    EXPECT_EQ(endpoint.tls.at("ca.pem"), "CA");
    for (const char* text : {"foo=bar", "host=bogus", "host", "ca=/no/such", "skip-tls-verify=x"})
        EXPECT_THROW(parse_context_endpoint({text}), Error) << text;
    EXPECT_THROW(parse_context_endpoint({"cert=" + root_ + "/ca"}), Error);
}

}  // namespace
}  // namespace hull::cli
