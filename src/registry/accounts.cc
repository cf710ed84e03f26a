#include "registry/accounts.hh"

#include "base/error.hh"
#include "base/file.hh"
#include "base/hash.hh"
#include "base/text.hh"

#include <crypt.h>

namespace hull::registry {

namespace {

constexpr std::size_t max_password_size = 512;

bool is_bcrypt(std::string_view hash) {
    return hash.size() == 60 &&
           (hash.starts_with("$2y$") || hash.starts_with("$2b$") || hash.starts_with("$2a$"));
}

bool matches(const std::string& password, const std::string& hash) {
    const auto data = std::make_unique<crypt_data>();
    const char* result = ::crypt_r(password.c_str(), hash.c_str(), data.get());
    return result && hash == result;
}

}  // namespace

Accounts::Accounts() : salt_(random_hex(16)) {}

std::unique_ptr<Accounts> Accounts::parse(std::string_view text) {
    std::unique_ptr<Accounts> accounts(new Accounts);
    int number = 0;
    for (const std::string_view raw : split_views(text, '\n')) {
        number++;
        const std::string_view line = trim(raw);
        if (line.empty() || line.starts_with('#')) continue;
        const std::size_t colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos)
            throw Error(ErrorKind::invalid_argument, "htpasswd line {}: not USER:HASH", number);
        const std::string_view hash = line.substr(colon + 1);
        if (!is_bcrypt(hash))
            throw Error(ErrorKind::invalid_argument,
                        "htpasswd line {}: not a bcrypt hash: set the password with htpasswd -B",
                        number);
        accounts->hashes_[std::string(line.substr(0, colon))] = hash;
    }
    return accounts;
}

bool Accounts::check(const std::string& user, const std::string& password) const {
    if (password.size() > max_password_size || password.find('\0') != std::string::npos)
        return false;
    const std::string seen = sha256_hex(salt_ + user + '\0' + password);
    {
        auto table = seen_.lock();
        const auto found = table->find(user);
        if (found != table->end() && found->second == seen) return true;
    }
    const auto known = hashes_.find(user);
    const std::lock_guard turn(checking_);
    if (known == hashes_.end()) {
        // Takes as long as for a user whom there is: nobody finds out who they are.
        static const std::string nobody =
            "$2y$05$abcdefghijklmnopqrstuuAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        (void)matches(password, hashes_.empty() ? nobody : hashes_.begin()->second);
        return false;
    }
    if (!matches(password, known->second)) return false;
    auto table = seen_.lock();
    (*table)[user] = seen;
    return true;
}

std::string Accounts::fingerprint(const std::string& user) const {
    const auto known = hashes_.find(user);
    return known == hashes_.end() ? "" : sha256_hex(known->second).substr(0, 16);
}

}  // namespace hull::registry
