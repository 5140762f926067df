#pragma once

#include <string>
#include <utility>
#include <vector>

#include "broker/runtime/runtime.hpp"

namespace millrace::broker::protocol {

/// Keeps what is sent.
class FakeConnection final : public Connection {
  public:
    void send(std::vector<std::byte> bytes) override { sent.push_back(std::move(bytes)); }
    void send(SharedBytes bytes) override {
        const auto span = bytes.span();
        sent.emplace_back(span.begin(), span.end());
    }
    [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }
    void pause_reading() override {}
    void resume_reading() override {}
    void close(Error /*reason*/) override {}
    [[nodiscard]] const std::string& peer() const override { return peer_; }

    std::vector<std::vector<std::byte>> sent;

  private:
    std::string peer_ = "here";
};

}  // namespace millrace::broker::protocol
