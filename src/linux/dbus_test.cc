#include "linux/dbus.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/sys.hh"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <thread>

namespace hull::linux_ {
namespace {

using namespace std::string_literals;

const DBusCall hello{.destination = "org.freedesktop.DBus",
                     .path = "/org/freedesktop/DBus",
                     .interface = "org.freedesktop.DBus",
                     .member = "Hello",
                     .signature = {},
                     .body = {}};

TEST(DBus, HelloIsWhatOtherClientsSend) {
    EXPECT_EQ(encode_dbus_call(hello, 1),
              "l\1\0\1\0\0\0\0\1\0\0\0n\0\0\0"
              "\1\1o\0\25\0\0\0/org/freedesktop/DBus\0\0\0"
              "\6\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
              "\2\1s\0\24\0\0\0org.freedesktop.DBus\0\0\0\0"
              "\3\1s\0\5\0\0\0Hello\0\0\0"s);
}

TEST(DBus, ArraysOfStructsAreAlignedAndCounted) {
    DBusWriter writer;
    writer.add_byte(7);
    const auto array = writer.begin_array(8);
    writer.begin_struct();
    writer.add_string("ab");
    writer.add_signature("t");
    writer.add_u64(5);
    writer.end_array(array);
    EXPECT_EQ(writer.bytes(),
              "\7\0\0\0\30\0\0\0"
              "\2\0\0\0ab\0\1t\0\0\0\0\0\0\0"
              "\5\0\0\0\0\0\0\0"s);
}

TEST(DBus, MessagesComeBackAsTheyWere) {
    DBusWriter body;
    body.add_string("unit");
    body.add_u32(42);
    DBusCall call = hello;
    call.signature = "su";
    call.body = body.bytes();
    const DBusMessage message = parse_dbus_message(encode_dbus_call(call, 9));
    EXPECT_EQ(message.type, DBusMessage::Type::call);
    EXPECT_EQ(message.serial, 9U);
    EXPECT_EQ(message.member, "Hello");
    EXPECT_EQ(message.signature, "su");
    DBusReader reader(message.body);
    EXPECT_EQ(reader.read_string(), "unit");
    EXPECT_EQ(reader.read_u32(), 42U);
    EXPECT_THROW(reader.read_u32(), Error);
}

TEST(DBus, TruncatedMessagesAreRefusedWhereverTheyEnd) {
    const std::string whole = encode_dbus_call(hello, 1);
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_THROW(parse_dbus_message(std::string_view(whole).substr(0, size)), Error) << size;
}

/// A reply or error to `serial`, as a peer writes it.
std::string make_answer(std::uint8_t type, std::uint32_t serial, const std::string& text) {
    DBusWriter body;
    body.add_string(text);
    DBusWriter writer;
    for (const int byte : {int{'l'}, int{type}, 0, 1})
        writer.add_byte(static_cast<std::uint8_t>(byte));
    writer.add_u32(static_cast<std::uint32_t>(body.bytes().size()));
    writer.add_u32(77);
    const auto fields = writer.begin_array(8);
    writer.begin_struct();
    writer.add_byte(5);
    writer.add_signature("u");
    writer.add_u32(serial);
    writer.begin_struct();
    writer.add_byte(8);
    writer.add_signature("g");
    writer.add_signature("s");
    writer.end_array(fields);
    writer.align(8);
    return writer.bytes() + body.bytes();
}

/// A peer that accepts one client and answers its calls of Hello with these messages, one each.
class FakePeer {
public:
    FakePeer(std::string greeting, std::vector<std::string> answers)
        : path_("/tmp/hull-dbus-test-" + random_hex(6)),
          listener_(sys::listen_unix(path_, SOCK_STREAM, 0600)),
          thread_([this, greeting = std::move(greeting), answers = std::move(answers)] {
              serve(greeting, answers);
          }) {}
    ~FakePeer() {
        thread_.join();
        sys::unlink(path_);
    }
    const std::string& path() const { return path_; }

private:
    void serve(const std::string& greeting, const std::vector<std::string>& answers) {
        const Fd client(::accept(listener_.get(), nullptr, nullptr));
        std::array<std::byte, 4096> buffer;
        sys::read(client.get(), buffer);  // AUTH
        sys::write_all(client.get(), greeting);
        if (!greeting.starts_with("OK")) return;
        std::string heard;  // BEGIN and the call may come together or not
        for (const std::string& answer : answers) {
            while (heard.find("Hello") == std::string::npos) {
                const std::size_t count = sys::read(client.get(), buffer);
                if (count == 0) return;
                heard.append(reinterpret_cast<const char*>(buffer.data()), count);
            }
            heard.clear();
            sys::write_all(client.get(), answer);
        }
    }
    std::string path_;
    Fd listener_;
    std::thread thread_;
};

TEST(DBus, AnErrorOfThePeerIsThrownWithItsText) {
    const FakePeer peer("OK 1234\r\n", {make_answer(3, 1, "no such unit")});
    DBusConnection connection = DBusConnection::open(peer.path());
    try {
        connection.call(hello, 5000);
        FAIL() << "nothing thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.message(), "Hello: no such unit");
    }
}

TEST(DBus, ARefusalToAuthenticateIsSaid) {
    const FakePeer peer("REJECTED EXTERNAL\r\n", {});
    EXPECT_THROW(DBusConnection::open(peer.path()), Error);
}

}  // namespace
}  // namespace hull::linux_
