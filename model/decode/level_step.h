#pragma once
// One ragged batch through the recursive level, incrementally. Level by level:
// matrix products over the items of all rows at once, attention and cache
// writes row by row in item order (write the slot, then attend), the level
// above only for the rows that completed a block. The caller has checked the
// rows (model/decode/cpu_generator.h). After Reserve only plans of slots may find no
// memory (std::bad_alloc); a step that they end has written into its sequences.
// Single owner thread; scratch grows and is kept.

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "model/decode/aligned_buffer.h"
#include "model/decode/cpu_model.h"
#include "model/decode/cpu_sequence.h"
#include "model/decode/going_rows.h"
#include "model/decode/kernels.h"
#include "model/decode/level_rows.h"
#include "model/decode/slot_sight.h"
#include "model/decode/thread_pool.h"
#include "model/decode/tree_growth.h"
#include "model/decode/tree_sight.h"
#include "model/generator.h"
#include "model/items.h"

namespace strata {

// StepRow of a scalar type.
template <typename T>
struct FeedRow {
  CpuSequence<T>* sequence = nullptr;
  absl::Span<const Item> items;
  absl::Span<T> logits;
  absl::Span<T> hidden = {};
  int64_t drafts = 0;
};

template <typename T>
struct LevelScratch : LevelBatch<CpuSequence<T>> {
  AlignedBuffer<T> x;       // [items][dim]: z, then h, then u, decoded in place; u
                            // has DecoderRows
  AlignedBuffer<T> second;  // of a stack that is reversible: the stream that attention
                            // reads, x being the other; as many rows as `norm`
  AlignedBuffer<T> norm;    // [items or units * PoolItems][dim]; at the end the
                            // wanted contexts c
  AlignedBuffer<T> qkv;     // [...][3 dim]
  AlignedBuffer<T> att;     // [...][dim]; in the pool [units][PoolWidth]
  AlignedBuffer<T> ff;      // [...][ff_mult dim]
  AlignedBuffer<T> rope;    // [...][TurnTable::width]
  // Of the stack that runs, and all their rows.
  std::vector<StackRow<CpuSequence<T>>> stack_rows;
  int64_t stack_count = 0;
  SlotSight slots;          // of its places, where the scope has slots; or, of items,
                            // the contexts that a bridge attends to
  // Of a layer with a memory of neighbours, in its ring: the window and what has left it;
  // and how the items that leave it were turned.
  SlotSight knn_window, knn_memory;
  AlignedBuffer<T> knn_rope;  // as rope
  GoingRows<T> depth;       // of the stack that runs
  AlignedBuffer<T> units_x;  // [units * PoolItems][dim]
  AlignedBuffer<T> bridge;  // [units][BridgeRows * dim]
  // Of a router: per item whether it wishes to end a unit, and its probability.
  std::vector<uint8_t> wished;
  std::vector<T> end_p;
  // Of a decoder with the tree scope: the new nodes of a step, m vectors each.
  std::vector<TreeGrowth::Row> tree_rows;
  TreeGrowth growth;
  TreeSight sight;
  AlignedBuffer<T> node_x;    // [nodes * m][dim]: drawn, then normed
  AlignedBuffer<T> node_y;    // [nodes * m][dim]: projected
  AlignedBuffer<T> node_qkv;  // [nodes * m][3 dim]; queries are not used
  AlignedBuffer<T> number_rope;  // [2 m][head_dim]
  // Of a stream: what its new items are made of, [items][rate * base's dim], and what
  // each layer made of them, [layers][items][dim].
  AlignedBuffer<T> entered;
  AlignedBuffer<T> said;
  // Of the base of streams: [items][MergeWidth], [items][MergeHidden].
  AlignedBuffer<T> merge_in;
  AlignedBuffer<T> merge_hidden;
};

template <typename T>
class LevelStep {
 public:
  LevelStep(const CpuModel<T>* model, ThreadPool* pool);

  // Feeds the rows and writes their logits. RESOURCE_EXHAUSTED when scratch
  // cannot be had: then no row advanced.
  absl::Status Run(absl::Span<const FeedRow<T>> rows);

  // draft_step.cc: Generator::Draft, of checked rows. RESOURCE_EXHAUSTED when scratch
  // cannot be had.
  absl::Status Draft(absl::Span<DraftRow> rows);

  // Decodes position 0 of every level into an empty sequence.
  absl::Status Prime(CpuSequence<T>* sequence);

 private:
  struct Job {  // a stack of layers over one batch of items
    int level = 0;
    Stack stack = Stack::kDecoder;
  };

  // The last level; behind it are streams (model/stream_levels.h).
  int top() const { return static_cast<int>(model_->config().levels.size()) - 1; }
  const LevelConfig& level_config(int l) const { return model_->level(l); }
  // Who feeds what at each level; sizes of all buffers.
  void Plan(absl::Span<const FeedRow<T>> rows);
  absl::Status Reserve();

  void Embed(absl::Span<const FeedRow<T>> rows);
  // Leaves the wanted contexts of the level in its `norm`.
  void Advance(int l);
  void CollectUnits(int l);
  // Slots of UnitCache: a block, a leaf, or the vectors of two nodes.
  static int64_t UnitSlots(const LevelConfig& level);
  void EncodeUnits(int l);
  void PoolUnits(int l);
  // The rules of PoolUnits: from `norm` [units * block], `att` [units].
  void MixAttention(int l);
  void MixMean(int l);
  void MixLast(int l);
  void MixConcat(int l);
  void AddContexts(int l);
  // bridge_step.cc: u of v, which is in x.
  void AttendContexts(int l);
  void AttendContextsHead(int l, const LevelRow<CpuSequence<T>>& row, int head,
                          T* scores);
  void FillBridgeBias(int l, int head, int64_t context, absl::Span<const SlotRun> seen,
                      AttendArgs<T>* args);
  // prefix_step.cc
  void AddPrefixes(int l);
  // router_step.cc
  void Route(int l);
  void SmoothContexts(int l);
  // With streams beside it, if there are any.
  void RunDecoder(int l);
  void RunStack(const Job& job);
  void KeepWanted(int l);
  // stream_step.cc
  const std::vector<StreamConfig>& streams() const {
    return model_->config().levels[0].streams;
  }
  void PlanStreams();
  bool ReserveStreams();
  int64_t StreamPreparedBytes(const Product<T>& product) const;
  void RunStreams();
  void CollectEntered(int r);
  void KeepEntered();
  void KeepSaid();
  // After a layer, over the first m rows of x: those of a stream are kept, the base takes
  // up what streams say.
  void AfterLayer(const Job& job, int layer, T* x, int64_t m);
  void MergeStreams(int layer, bool wanted_only, T* x, int64_t m);
  void GatherSaid(int r, int layer, bool wanted_only, T* to);
  // depth_step.cc: all runs of a stack over x [m][dim]; `attend` makes `att` of `qkv`.
  // What the wanted contexts need of a decoder moves to the front.
  using AttendRun = absl::FunctionRef<void(int run, bool wanted_only)>;
  void RunLayers(const Job& job, T* x, int64_t m, AttendRun attend);
  // The stream that attention reads: x itself, or, of a stack that is reversible, a copy.
  T* BeginSecond(int l, T* x, int64_t m);
  // x [m][dim] becomes what the stack gives.
  void JoinSecond(int l, T* x, int64_t m);
  void BeginDepth(int l, int64_t m, bool stops);
  // `rows`: empty, or a vector for each repeat.
  void AddRepeat(int l, const std::vector<T>& rows, int repeat, T* x, int64_t m);
  void StopUnwanted(int l);
  void ProjectGoing(int l, const LayerWeights<T>& w, T* x);
  void HaltItems(int l, const HaltingWeights<T>& halt, bool last, const T* x);
  // `run`: the layer that they have passed.
  void LetItemsLeave(int l, int run, const T* x);
  // What the rows asked for, of the wanted contexts of the byte level.
  void WriteHidden(absl::Span<const FeedRow<T>> rows);
  void WriteLogits(absl::Span<const FeedRow<T>> rows);
  void KeepContexts(absl::Span<const FeedRow<T>> rows);
  // Of one head, from `x` [m][D0] contexts: guess `head` of each row that has room.
  void GuessWith(int head, absl::Span<DraftRow> rows,
                 absl::Span<const size_t> guessing);

  // Sub-layers of x[m][dim]; `att` holds the attention's result in between.
  void ProjectQkv(int l, const LayerWeights<T>& w, const T* x, int64_t m);
  // Of `attended` [m][dim], which attention enters, and `fed`, which the feed-forward
  // does: x for both, but for two streams.
  void ProjectOut(int l, const LayerWeights<T>& w, T* attended, T* fed, int64_t m);
  // gate_step.cc: what a sublayer made, out [dim] of `in`, enters x.
  void AddSublayer(int l, const GateWeights<T>& gate, const T* in,
                   int64_t in_stride, const PackedMatrix<T>& out, T* x, int64_t m);
  void RunGate(const GateArgs<T>& of, T* x, T* y, int64_t m,
               void (*kernel)(const GateArgs<T>&));

  // One head of a key and a value, wherever they lie.
  struct HeadVector {
    const void* key = nullptr;
    int64_t key_step = 1;  // from dimension to dimension
    const void* value = nullptr;
    CacheType type = CacheType::kFull;
  };

  void FillRope(int l, int64_t row, int64_t item);
  // `layer`, here and below: as the stack runs them.
  // `wanted_only`: of each row, the queries before the wanted ones only leave
  // their keys and values.
  void Attend(const Job& job, int layer, bool wanted_only);
  void AttendHead(const Job& job, const StackRow<CpuSequence<T>>& row, int layer,
                  int head, int64_t first_query, T* scores);
  // knn_step.cc: of a layer with a memory of neighbours.
  void PlanKnn(int l);
  void AttendKnnHead(int l, const StackRow<CpuSequence<T>>& row, int layer, int head,
                     int64_t first_query, T* scores);
  void LeaveWindow(int l, int64_t row, const CacheView& cache, int64_t slot, T* key);
  T KnnShare(int l, const KnnWeights<T>& w, int64_t row, int head) const;
  void LookUp(int l, int64_t row, T share, const T* query, T* near, AttendArgs<T> args);
  // mean_step.cc: of a scope with means of items. Puts into its slot the mean that is
  // seen from `item` on, if there is one, before the item takes a slot of its items.
  void PutMean(int l, const ScopeSpec& spec, int64_t item, const CacheView& cache);
  void SumRun(int l, const ScopeSpec& spec, int64_t first, const CacheView& cache,
              int64_t from, int64_t count, T* low, T* high, T* value);
  static std::vector<T> MeanTurns(const CpuModel<T>& model, int l);
  // linear_step.cc: of a scope that keeps sums.
  void AttendSumsHead(const Job& job, const StackRow<CpuSequence<T>>& row, int layer,
                      int head, int64_t first_query, T* scratch);
  void TurnHead(int l, int64_t row, int head);
  AttendArgs<T> CacheArgs(int l, const CacheView& cache, T* scores) const;
  void SetQuery(int l, int64_t row, int head, AttendArgs<T>* args);
  static void SetSeen(absl::Span<const SlotRange> seen, AttendArgs<T>* args);
  // Of the item in row `row`, at `place`: what its scope shows, as far as the head looks.
  static absl::Span<const SlotRun> See(const SlotSight& slots, int64_t row,
                                       int64_t place, const ScoreTerm<T>* term, int head,
                                       AttendArgs<T>* args);

  // tree_step.cc
  bool HasTree(int l) const {
    return level_config(l).dec_layers > 0 &&
           level_config(l).dec_scope == Scope::kTree;
  }
  void PlanTree(int l);
  bool ReserveTree(int l);
  const LayerWeights<T>& DecoderLayer(int l, int layer) const {
    const auto& layers = model_->weights().levels[l].dec;
    return layers[layer % layers.size()];
  }
  void MakeNodes(int l, int layer);
  T* NodeKey(int l, int64_t made, int64_t j);
  // Vector j of a node of a row, made in this step or kept in its cache.
  HeadVector NodeVector(int l, int layer, int64_t row, const TreeNode& node,
                        int64_t j, int head);
  void DrawNode(int l, int layer, int64_t made, int head, T* scores);
  void CopyLeaf(int l, int layer, const TreeGrowth::Made& node, int head,
                const CacheView& to);
  void CopyChildren(int l, int layer, const TreeGrowth::Made& node, int head,
                    const CacheView& to);
  void AddMeanOfChildren(int l, int layer, int64_t made);
  void RoundNode(int l, int64_t made);
  void AttendTreeHead(int l, int layer, int64_t row_index, int head,
                      int64_t first_query, T* scores);

  CacheView UnitCache(int l, CacheType type, T* scores) const;
  void AttendUnit(int l, int layer, int64_t unit, int head, T* scores);
  void PoolUnit(int l, int64_t unit, int head, T* scores);
  HeadVector ItemVector(int l, int64_t row, int head) const;
  // `cache`, here and below: of one head.
  HeadVector CachedVector(const CacheView& cache, int64_t slot) const;
  // Dimensions [first, first + count).
  void TakeKey(const HeadVector& from, int64_t first, int64_t count, T* to) const;
  void TakeValue(const HeadVector& from, int64_t first, int64_t count, T* to) const;
  void PutValue(int l, const HeadVector& from, const CacheView& cache,
                int64_t slot) const;
  // As it is, where PutVector turns the key.
  void CopyVector(int l, const HeadVector& from, const CacheView& cache,
                  int64_t slot) const;
  void PutVector(int l, const HeadVector& from, const T* angles,
                 const CacheView& cache, int64_t slot);
  // `term`: of the layer, or null.
  void RotateInto(int l, int64_t row, int head, const CacheView& cache,
                  int64_t slot, const ScoreTerm<T>* term = nullptr);

  // position_step.cc
  // Of a thread's scratch: 0 where no layer has a ScoreTerm and no bridge biases.
  int64_t TermValues(int64_t longest) const;
  // What the scheme adds to an item at a stack's entrance.
  void AddEntrance(int l, int64_t item, T* x);
  // The terms of the slots that item i sees, for `queries` queries from it on: each
  // sees one item more of the last run.
  void FillTerms(const ScoreTerm<T>& term, int head, int64_t i,
                 absl::Span<const SlotRun> seen, int64_t queries,
                 AttendArgs<T>* args);

  // From panel `first` on.
  void MatMul(const T* x, int64_t x_stride, int64_t m, const PackedMatrix<T>& w,
              T* y, int64_t y_stride, Epilogue epilogue, int64_t first = 0);
  // Of MatMul: x in the form that the product reads, in `prepared_`.
  const uint8_t* PrepareRows(const Product<T>& product, const T* x,
                             int64_t x_stride, int64_t m, int64_t k, bool alone);
  int64_t PreparedBytes() const;
  void Norm(int l, const T* x, int64_t m, const std::vector<T>& weight, T* y);
  T* ThreadScratch(int thread) {
    return thread_scratch_.data() + thread * thread_stride_;
  }

  const CpuModel<T>* const model_;
  ThreadPool* const pool_;
  std::vector<LevelScratch<T>> scratch_;
  AlignedBuffer<T> logits_;  // [wanted][vocab]
  AlignedBuffer<uint8_t> prepared_;
  std::vector<T> entrance_;  // scratch of AddEntrance
  // Of each level with means: what turns a key of a run to the place of its last item,
  // [rate][K], by the items between.
  std::vector<std::vector<T>> mean_turns_;
  // Per thread: scores of kQueryTile queries, keys and values of a unit, from
  // terms_offset_ on terms of kQueryTile queries and what a ScoreTerm needs.
  AlignedBuffer<T> thread_scratch_;
  int64_t thread_stride_ = 0;
  int64_t score_stride_ = 0;
  int64_t terms_offset_ = 0;
};

extern template class LevelStep<float>;
extern template class LevelStep<double>;

}  // namespace strata
