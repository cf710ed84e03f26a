#include "http/websocket.hh"

#include "base/error.hh"
#include "base/log.hh"
#include "base/sys.hh"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <thread>

namespace hull::http {

namespace {

constexpr std::uint64_t longest_control = 125;

/// SHA-1, which the protocol asks for as a token and nothing depends on.
std::array<std::uint8_t, 20> sha1(std::string text) {
    const std::uint64_t bits = text.size() * 8;
    text += '\x80';
    while (text.size() % 64 != 56) text += '\0';
    for (int shift = 56; shift >= 0; shift -= 8) text += static_cast<char>(bits >> shift);
    std::uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    for (std::size_t block = 0; block < text.size(); block += 64) {
        std::uint32_t words[80];
        for (std::size_t i = 0; i < 16; ++i) {
            words[i] = 0;
            for (std::size_t k = 0; k < 4; ++k)
                words[i] = words[i] << 8 | static_cast<std::uint8_t>(text[block + 4 * i + k]);
        }
        for (std::size_t i = 16; i < 80; ++i)
            words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
        for (std::size_t i = 0; i < 80; ++i) {
            const std::uint32_t mixed = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
                                        : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
                                        : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
                                                 : (b ^ c ^ d) + 0xca62c1d6;
            const std::uint32_t next = std::rotl(a, 5) + mixed + e + words[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e;
    }
    std::array<std::uint8_t, 20> digest;
    for (std::size_t i = 0; i < 20; ++i)
        digest[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
    return digest;
}

/// Of 20 bytes: 27 characters and one for the padding.
std::string base64(const std::array<std::uint8_t, 20>& bytes) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    std::uint32_t bits = 0;
    int count = 0;
    for (const std::uint8_t byte : bytes) {
        bits = bits << 8 | byte;
        for (count += 8; count >= 6; count -= 6) text += letters[bits >> (count - 6) & 63];
    }
    text += letters[bits << (6 - count) & 63];
    return text + "=";
}

/// Bytes of the header whose first two bytes are known.
std::size_t header_size(std::string_view first) {
    const int length = first[1] & 127;
    return 2 + (length == 126 ? 2 : length == 127 ? 8 : 0) + 4;
}

}  // namespace

std::string websocket_accept(std::string_view key) {
    return base64(sha1(std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
}

std::string websocket_frame(int opcode, std::string_view bytes) {
    std::string frame(1, static_cast<char>(0x80 | opcode));
    if (bytes.size() < 126) {
        frame += static_cast<char>(bytes.size());
    } else {
        const int width = bytes.size() < 65536 ? 2 : 8;
        frame += static_cast<char>(width == 2 ? 126 : 127);
        for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
            frame += static_cast<char>(bytes.size() >> shift);
    }
    return frame.append(bytes);
}

bool WebSocketReader::feed(std::string_view bytes, std::string& data, std::string& replies) {
    while (!bytes.empty() || (inside_frame_ && left_ == 0)) {
        if (!inside_frame_) {
            const std::size_t wanted = header_.size() < 2 ? 2 : header_size(header_);
            const std::size_t taken = std::min(wanted - header_.size(), bytes.size());
            header_.append(bytes.substr(0, taken));
            bytes.remove_prefix(taken);
            if (header_.size() < 2 || header_.size() < header_size(header_)) continue;
            opcode_ = header_[0] & 15;
            const bool is_final = header_[0] & 0x80;
            if ((header_[0] & 0x70) || !(header_[1] & 0x80) || (opcode_ > 2 && opcode_ < 8) ||
                opcode_ > 10)
                throw Error(ErrorKind::invalid_argument, "not a WebSocket frame of a client");
            left_ = static_cast<std::uint64_t>(header_[1] & 127);
            if (left_ >= 126) {
                const std::size_t width = left_ == 126 ? 2 : 8;
                left_ = 0;
                for (std::size_t i = 0; i < width; ++i)
                    left_ = left_ << 8 | static_cast<std::uint8_t>(header_[2 + i]);
            }
            if (opcode_ >= 8 && (left_ > longest_control || !is_final))
                throw Error(ErrorKind::invalid_argument, "a WebSocket control frame is too long");
            for (std::size_t i = 0; i < 4; ++i)
                mask_[i] = static_cast<std::uint8_t>(header_[header_.size() - 4 + i]);
            header_.clear();
            control_.clear();
            at_ = 0;
            inside_frame_ = true;
        }
        const std::size_t taken =
            static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        std::string& target = opcode_ >= 8 ? control_ : data;
        for (const char byte : bytes.substr(0, taken))
            target += static_cast<char>(static_cast<std::uint8_t>(byte) ^ mask_[at_++ % 4]);
        bytes.remove_prefix(taken);
        left_ -= taken;
        if (left_ == 0 && !end_frame(replies)) return false;
    }
    return true;
}

bool WebSocketReader::end_frame(std::string& replies) {
    inside_frame_ = false;
    if (opcode_ == 9) replies += websocket_frame(10, control_);
    if (opcode_ == 8) replies += websocket_frame(8, control_);
    return opcode_ != 8;
}

static void carry(int websocket, int stream) {
    WebSocketReader reader;
    std::array<char, 16 << 10> buffer;
    for (;;) {
        pollfd polled[] = {{websocket, POLLIN, 0}, {stream, POLLIN, 0}};
        if (::poll(polled, 2, -1) < 0) continue;
        if (polled[0].revents) {
            const ssize_t count = ::recv(websocket, buffer.data(), buffer.size(), 0);
            if (count <= 0) return;
            std::string data, replies;
            const bool goes_on =
                reader.feed({buffer.data(), static_cast<std::size_t>(count)}, data, replies);
            sys::write_all(stream, data);
            sys::write_all(websocket, replies);
            if (!goes_on) return;
        }
        if (polled[1].revents) {
            const ssize_t count = ::recv(stream, buffer.data(), buffer.size(), 0);
            if (count <= 0) return sys::write_all(websocket, websocket_frame(8, "\x03\xe8"));
            sys::write_all(websocket,
                           websocket_frame(2, {buffer.data(), static_cast<std::size_t>(count)}));
        }
    }
}

void carry_websocket(Fd websocket, Fd stream) {
    std::thread([websocket = std::move(websocket), stream = std::move(stream)] {
        sigset_t pipe_signal;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
        try {
            carry(websocket.get(), stream.get());
        } catch (const std::exception& error) {
            log::debug("websocket: {}", error.what());
        }
        ::shutdown(websocket.get(), SHUT_RDWR);
        ::shutdown(stream.get(), SHUT_RDWR);
    }).detach();
}

}  // namespace hull::http
