#pragma once

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace millrace::test {

/// A certificate and its key, made as the test runs.
struct Certificate {
    std::shared_ptr<X509> x509;
    std::shared_ptr<EVP_PKEY> key;

    [[nodiscard]] std::string pem() const;
    [[nodiscard]] std::string key_pem() const;
};

struct CertificateOptions {
    std::string names = "DNS:localhost,IP:127.0.0.1";
    long valid_from_s = -3600;  ///< from now
    long valid_until_s = 3600;
    bool is_authority = false;
};

/// Signed by `issuer`, or by itself when that is null.
[[nodiscard]] Certificate make_certificate(const CertificateOptions& options,
                                           const Certificate* issuer = nullptr);
[[nodiscard]] Certificate make_authority(const Certificate* issuer = nullptr);

/// A file of this test's own, removed with the object.
class TextFile {
  public:
    explicit TextFile(const std::string& text);
    TextFile(const TextFile&) = delete;
    TextFile& operator=(const TextFile&) = delete;
    TextFile(TextFile&&) = delete;
    TextFile& operator=(TextFile&&) = delete;
    ~TextFile();

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace millrace::test
