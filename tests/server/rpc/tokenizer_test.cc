// Tokenisers over a real connection: uploads, specs that name them, Tokenize.

#include "tests/model/tokenizer/spm_files.h"
#include "tests/server/rpc/rpc_fixture.h"

namespace strata {
namespace {

class TokenizerTest : public RpcFixture {
 protected:
  grpc::Status Upload(const std::string& file, v1::Tokenizer* tokenizer) {
    grpc::ClientContext context;
    v1::UploadTokenizerRequest request;
    request.set_file(file);
    return training_->UploadTokenizer(&context, request, tokenizer);
  }

  grpc::Status Train(const v1::TokenizerSpec& tokenizer, v1::Job* job) {
    grpc::ClientContext upload;
    v1::Dataset dataset;
    auto writer = training_->UploadDataset(&upload, &dataset);
    v1::UploadDatasetRequest data;
    data.set_data(testing::MixedText(5000));
    writer->Write(data);
    writer->WritesDone();
    EXPECT_TRUE(writer->Finish().ok());
    v1::TrainRequest request;
    request.mutable_spec()->set_base("block");
    request.mutable_spec()->set_dataset(dataset.name());
    request.mutable_spec()->set_model("fresh");
    request.mutable_spec()->set_steps(10);
    *request.mutable_spec()->mutable_tokenizer() = tokenizer;
    grpc::ClientContext context;
    return training_->Train(&context, request, job);
  }

  grpc::Status Tokenize(const std::string& model, const std::string& text,
                        v1::TokenizeResponse* response) {
    grpc::ClientContext context;
    v1::TokenizeRequest request;
    request.set_model(model);
    request.set_text(text);
    return generation_->Tokenize(&context, request, response);
  }
};

TEST_F(TokenizerTest, AFileIsNamedByItsContentAndTrainedWith) {
  Start();
  v1::Tokenizer first, second;
  const std::string file = testing::TrainedTokenizer("unigram");
  ASSERT_TRUE(Upload(file, &first).ok());
  ASSERT_TRUE(Upload(file, &second).ok());
  EXPECT_EQ(first.name(), second.name());
  EXPECT_EQ(first.kind(), "unigram");
  EXPECT_GT(first.vocabulary(), 260);
  v1::TokenizerSpec spec;
  spec.set_file(first.name());
  v1::Job job;
  const grpc::Status status = Train(spec, &job);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(job.spec().tokenizer().file(), first.name());
}

TEST_F(TokenizerTest, WhatIsNoneIsRefused) {
  Start();
  v1::Tokenizer tokenizer;
  const grpc::Status status = Upload("no model", &tokenizer);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Field(status), "file");
  EXPECT_EQ(status.error_message(), "file is no SentencePiece model");
}

TEST_F(TokenizerTest, ASpecIsResolvedAndRefusedByItsFields) {
  Start();
  v1::TokenizerSpec spec;
  v1::Job job;
  EXPECT_EQ(Field(Train(spec, &job)), "spec.tokenizer");
  spec.set_train("bpe");
  ASSERT_TRUE(Train(spec, &job).ok());
  EXPECT_EQ(job.spec().tokenizer().pieces(), 4096);
  spec.set_pieces(255);
  EXPECT_EQ(Field(Train(spec, &job)), "spec.pieces");
  spec.set_file("tokenizers/" + std::string(64, 'a'));
  EXPECT_EQ(Field(Train(spec, &job)), "spec.pieces");
  spec.clear_pieces();
  EXPECT_EQ(Train(spec, &job).error_code(), grpc::StatusCode::NOT_FOUND);
  spec.set_file("tokenizers/x");
  EXPECT_EQ(Field(Train(spec, &job)), "spec.tokenizer");
}

TEST_F(TokenizerTest, TokensOfAModelOnBytesAreBytes) {
  Start();
  v1::TokenizeResponse response;
  ASSERT_TRUE(Tokenize("toy", "a\xFF", &response).ok());
  EXPECT_EQ(response.model(), "toy@1");
  ASSERT_EQ(response.tokens_size(), 2);
  EXPECT_EQ(response.tokens(1), 0xFF);
  EXPECT_EQ(response.token_bytes(1), 1);
  ASSERT_TRUE(Tokenize("toy", "", &response).ok());
  EXPECT_EQ(response.tokens_size(), 0);
  const grpc::Status status = Tokenize("toy", std::string((1 << 20) + 1, 'x'), &response);
  EXPECT_EQ(Field(status), "text");
}

}  // namespace
}  // namespace strata
