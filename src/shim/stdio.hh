#pragma once
#include "base/fd.hh"
#include "shim/detach_keys.hh"
#include "shim/log_writer.hh"
#include "shim/loop.hh"
#include "shim/protocol.hh"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hull::shim {

class Stdio;

/// Memory for one read of output. Given back to the kernel when the shim has been idle.
class ReadBuffer {
public:
    ReadBuffer();
    ~ReadBuffer();
    ReadBuffer(const ReadBuffer&) = delete;
    ReadBuffer& operator=(const ReadBuffer&) = delete;
    char* data() { return data_; }
    static constexpr std::size_t size = 256 << 10;
    void release_memory();

private:
    char* data_;
};

/// One attached client. It is gone when its connection is closed for good; a client that merely
/// does not read makes the container wait, as in Docker.
class Client final : public Watcher {
public:
    Client(Stdio& stdio, Fd socket, AttachOptions options);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    bool wants(int stream) const;
    /// Sends what the socket takes and keeps the rest.
    void send(int stream, std::string_view bytes);
    /// No output follows: the connection is closed when the queue is empty.
    void end();
    /// Reading its input makes sense only while standard input takes it.
    void update_events();

    bool is_full() const;
    bool is_done() const { return is_gone_ || (is_ending_ && queue_.empty()); }

    void on_ready(std::uint32_t events) override;

private:
    void read_input();
    void flush();
    void lose() { is_gone_ = true; }
    std::uint32_t wanted_events() const;

    Stdio& stdio_;
    Fd socket_;
    AttachOptions options_;
    DetachKeys detach_keys_;
    std::string queue_;
    std::size_t sent_ = 0;  ///< of the queue
    std::uint32_t events_ = 0;
    bool is_watched_ = false;
    bool input_ended_ = false, is_ending_ = false, is_gone_ = false;
    bool is_hung_up_ = false;  ///< the peer closed both ways; input may be left in the socket
};

/// Standard streams of one process: our ends of its pipes or its terminal, the log, the clients.
class Stdio {
public:
    struct Options {
        bool close_stdin_with_client = false;  ///< StdinOnce; always for exec
        LogWriter* log = nullptr;              ///< not owned; null for exec
        std::function<void()> on_detach;       ///< a client typed the detach keys
    };
    Stdio(Loop& loop, ReadBuffer& buffer, Options options);
    ~Stdio();
    Stdio(const Stdio&) = delete;
    Stdio& operator=(const Stdio&) = delete;

    /// Our ends. `input` may be empty (nothing is ever written). From now on output is read.
    void use_pipes(Fd input, Fd output, Fd error);
    void use_terminal(Fd master, bool open_stdin);
    bool is_terminal() const { return is_terminal_; }
    /// Throws invalid_argument without a terminal.
    void resize(unsigned short rows, unsigned short columns);

    void add_client(Fd socket, AttachOptions options);
    /// Reads all that is there, also past clients that do not keep up: the writers are gone.
    void drain();
    bool outputs_ended() const;
    /// No more output comes: clients are closed once they have everything.
    void end_clients();
    bool has_clients() const { return !clients_.empty(); }

private:
    friend class Client;

    struct Output final : Watcher {
        Output(Stdio& owner, int number) : stdio(owner), stream(number) {}
        void on_ready(std::uint32_t) override {
            stdio.batch_output();
            stdio.read_output(*this);
        }
        Stdio& stdio;
        int stream;
        Fd fd;
        bool is_watched = false;
    };
    struct Input final : Watcher {
        explicit Input(Stdio& owner) : stdio(owner) {}
        void on_ready(std::uint32_t) override { stdio.flush_input(); }
        Stdio& stdio;
        Fd fd;
        bool is_watched = false;
    };

    /// What a log that is sent away cannot take at once.
    struct LogDrain final : Watcher {
        explicit LogDrain(Stdio& owner) : stdio(owner) {}
        void on_ready(std::uint32_t) override { stdio.drain_log(); }
        Stdio& stdio;
        int watched_fd = -1;
    };

    void drain_log();
    void watch_log();
    void open_output(Output& output, Fd fd);
    /// One read; false when there was nothing (or it ended).
    bool read_output(Output& output);
    /// In a burst of small writes: lets the pipe fill, so that one read takes what would be twenty.
    void batch_output();
    void close_output(Output& output);
    /// Watches the outputs unless a client is behind; drops clients that are done.
    void settle();

    void write_input(std::string_view bytes);
    void flush_input();
    void close_input();
    bool input_is_busy() const { return !pending_input_.empty(); }
    void on_client_input_end(Client& client);

    Loop& loop_;
    ReadBuffer& buffer_;
    Options options_;
    Output outputs_[2];
    Input input_;
    LogDrain log_drain_;
    std::string pending_input_;
    std::int64_t last_read_ns_ = 0;
    std::size_t last_read_bytes_ = 0;
    int small_reads_in_a_row_ = 0;
    bool has_input_ = false, input_ends_ = false, is_terminal_ = false;
    std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace hull::shim
