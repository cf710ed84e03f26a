#pragma once
#include "base/locked.hh"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace hull::registry {

/// Users and their passwords from an htpasswd file with bcrypt hashes (`htpasswd -B`).
class Accounts {
public:
    /// Throws invalid_argument with the line's number for anything but bcrypt.
    static std::unique_ptr<Accounts> parse(std::string_view text);

    /// Takes bcrypt's time the first time a password is shown, and for every wrong one; one check
    /// at a time, so that guessing costs the server one processor at most.
    bool check(const std::string& user, const std::string& password) const;
    bool has_user(const std::string& user) const { return hashes_.contains(user); }
    /// Changes with the user's password; "" for an unknown user.
    std::string fingerprint(const std::string& user) const;

private:
    Accounts();
    std::map<std::string, std::string> hashes_;  ///< by user
    const std::string salt_;
    mutable Locked<std::map<std::string, std::string>> seen_;  ///< salted digest of good passwords
    mutable std::mutex checking_;
};

}  // namespace hull::registry
