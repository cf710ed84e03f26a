#include "http/websocket.hh"

#include "base/error.hh"

#include <gtest/gtest.h>

namespace hull::http {
namespace {

/// A client's frame: masked.
std::string masked(int first, std::string_view bytes) {
    std::string frame(1, static_cast<char>(first));
    frame += static_cast<char>(0x80 | bytes.size());
    frame += "abcd";
    for (std::size_t i = 0; i < bytes.size(); ++i)
        frame += static_cast<char>(bytes[i] ^ "abcd"[i % 4]);
    return frame;
}

TEST(WebSocket, AcceptsAKeyAsTheRfcDoes) {
    EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(WebSocket, TakesFramesApartInAnyPieces) {
    const std::string all = masked(0x02, "hel") + masked(0x89, "p") + masked(0x80, "lo") +
                            masked(0x82, "") + masked(0x81, "!") + masked(0x88, "\x03\xe8");
    for (std::size_t piece = 1; piece <= all.size(); ++piece) {
        WebSocketReader reader;
        std::string data, replies;
        bool goes_on = true;
        for (std::size_t at = 0; at < all.size() && goes_on; at += piece)
            goes_on = reader.feed(std::string_view(all).substr(at, piece), data, replies);
        EXPECT_FALSE(goes_on);
        EXPECT_EQ(data, "hello!");
        EXPECT_EQ(replies, websocket_frame(10, "p") + websocket_frame(8, "\x03\xe8"));
    }
}

TEST(WebSocket, WritesEveryLength) {
    EXPECT_EQ(websocket_frame(2, "ab"),
              "\x82\x02"
              "ab");
    EXPECT_EQ(websocket_frame(2, std::string(300, 'x')).substr(0, 4),
              std::string("\x82\x7e\x01\x2c"));
    EXPECT_EQ(websocket_frame(2, std::string(70000, 'x')).substr(0, 10),
              std::string("\x82\x7f\0\0\0\0\0\x01\x11\x70", 10));
}

TEST(WebSocket, RefusesWhatNoClientSends) {
    for (const std::string& bytes :
         {std::string("\x82\x01x123456", 9), std::string("\xf2\x80", 2) + "abcd",
          std::string("\x83\x80", 2) + "abcd", std::string("\x89\xfe\x01\x00", 4) + "abcd"}) {
        WebSocketReader reader;
        std::string data, replies;
        EXPECT_THROW(reader.feed(bytes, data, replies), Error);
    }
}

}  // namespace
}  // namespace hull::http
